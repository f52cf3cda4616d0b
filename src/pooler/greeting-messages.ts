/** What a client is told of the parameters of its servers when it has logged in: made once for all who want nothing else
 *  than the servers have. PostgreSQL manual, "Start-up", ParameterStatus. */
import { parameterStatus } from '../wire/message-builder.js';

const APPLICATION_NAME = 'application_name';

export class GreetingMessages {
  private readonly parameters: ReadonlyMap<string, string>;
  /** Of all parameters but the application's name; null: not made yet. */
  private made: Uint8Array | null = null;

  constructor(parameters: ReadonlyMap<string, string>) {
    this.parameters = parameters;
  }

  /** The parameters have changed. */
  forget(): void {
    this.made = null;
  }

  /** `wanted`: what the client has values of its own for. */
  of(applicationName: string, wanted: ReadonlyMap<string, string>): Uint8Array {
    const others = wanted.size === 0 ? this.common() : messagesOf(new Map([...this.parameters, ...wanted]));
    return Buffer.concat([others, parameterStatus(APPLICATION_NAME, applicationName)]);
  }

  private common(): Uint8Array {
    this.made ??= messagesOf(this.parameters);
    return this.made;
  }
}

function messagesOf(parameters: ReadonlyMap<string, string>): Uint8Array {
  const others = [...parameters].filter(([name]) => name !== APPLICATION_NAME);
  return Buffer.concat(others.map(([name, value]) => parameterStatus(name, value)));
}
