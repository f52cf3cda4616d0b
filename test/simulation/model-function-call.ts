/** FunctionCall, of integer addition and division. PostgreSQL's src/backend/tcop/fastpath.c. */
import type { Message } from '../support/messages.js';
import { functionCallResponse } from './model-answers.js';
import type { Context } from './model-context.js';
import type { Waiting } from './model-coroutine.js';
import { inFailedTransaction, SqlError } from './model-error.js';
import { MessageReader } from './model-reader.js';

const FUNCTIONS = new Map<number, (one: number, other: number) => number>([
  [177, (one, other) => one + other],
  [
    154,
    (one, other) => {
      if (other === 0) throw new SqlError('22012', 'division by zero');
      return Math.trunc(one / other);
    },
  ],
]);

export function* functionCall({ transaction, output }: Context, message: Message): Waiting<void> {
  const reader = new MessageReader(message);
  const oid = reader.int32();
  reader.list(() => reader.int16());
  const values = reader.list(() => reader.value());
  reader.int16();
  reader.end();
  transaction.startCommand();
  if (transaction.hasFailed) throw inFailedTransaction();
  const compute = FUNCTIONS.get(oid);
  if (compute === undefined) throw new SqlError('42883', `function with OID ${oid} does not exist`);
  const [one = null, other = null] = values;
  if (values.length !== 2) {
    throw new SqlError(
      '08P01',
      `function call message contains ${values.length} arguments but function requires 2`,
    );
  }
  // Both are strict.
  const result = one === null || other === null ? null : compute(Number(one), Number(other));
  output.put(functionCallResponse(result));
  yield* transaction.finishCommand();
}
