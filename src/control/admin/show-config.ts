import { type Configuration, configurationSchema } from '../../config/settings/configuration.js';
import { docs } from '../../config/settings/fields.js';
import { fieldsOf } from '../../config/settings/keys.js';
import { type Row, type ShowCommand, text } from './command.js';

const MASK = '*****';

/** Every setting of general, prometheus, the pools and their users, and what it would be if nothing were written. */
export const SHOW_CONFIG: ShowCommand = {
  name: 'CONFIG',
  columns: [text('key'), text('value'), text('default'), text('changeable')],
  rows: (context) => rowsOfAll(context.configuration()),
};

function rowsOfAll(configuration: Configuration): Row[] {
  return [
    ...rowsOf('general', 'general', configuration.general, DEFAULTS.general),
    ...rowsOf('prometheus', 'prometheus', configuration.prometheus, DEFAULTS.prometheus),
    ...Object.entries(configuration.pools).flatMap(([name, pool]) => [
      ...rowsOf(`pools.${name}`, 'pool', pool, DEFAULT_POOL),
      ...pool.users.flatMap((user, index) =>
        rowsOf(`pools.${name}.users.${index}`, 'user', user, DEFAULT_USER),
      ),
    ]),
  ];
}

const DEFAULTS: Configuration = configurationSchema.parse({
  pools: { any: { users: [{ username: 'any' }] } },
});
const DEFAULT_POOL = DEFAULTS.pools.any ?? {};
const DEFAULT_USER = DEFAULTS.pools.any?.users[0] ?? {};

function rowsOf(
  prefix: string,
  section: Parameters<typeof fieldsOf>[0],
  values: object,
  defaults: object,
): Row[] {
  return fieldsOf(section)
    .filter(([name]) => name !== 'users')
    .map(([name, field]) => {
      const { isSecret, reload } = docs.get(field) ?? {};
      const value = shown(Reflect.get(values, name), isSecret);
      return [
        `${prefix}.${name}`,
        value,
        shown(Reflect.get(defaults, name), isSecret),
        reload === 'restart' ? 'no' : 'yes',
      ];
    });
}

function shown(value: unknown, isSecret = false): string {
  if (value === undefined) return '';
  if (isSecret) return MASK;
  if (typeof value !== 'object' || value === null) return String(value);
  return JSON.stringify(value, (key, inner: unknown) => (key.includes('password') ? MASK : inner));
}
