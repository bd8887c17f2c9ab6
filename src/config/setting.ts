import { isIP } from 'node:net';
import { ValidateBy, ValidateNested } from 'class-validator';
import { formatDuration, parseDuration } from './duration';
import { parseListenAddress } from './listen-address';

/** What is known of a setting besides its default: one description for validation, the reference and the JSON schema. */
export interface Setting {
  /** Name of the member in the class; the key of the file is the same in snake_case. */
  readonly member: string;
  readonly description: string;
  /** How the reference names the type. */
  readonly type: string;
  /** The values that are accepted, in words: part of every refusal. */
  readonly range: string;
  readonly schema: Readonly<Record<string, unknown>>;
  /** Turns what stands in the file into the typed value; `undefined` when it is not acceptable. */
  readonly read: (value: unknown) => unknown;
  /** Turns the typed value back into what would stand in the file. */
  readonly show: (value: unknown) => unknown;
  readonly secret: boolean;
  /** Accepted, but without effect in this version. */
  readonly reserved: boolean;
}

/** Stands in the place of a value that is not acceptable, until validation has told. */
export class Unreadable {
  constructor(readonly value: unknown) {}
}

export interface SettingOptions {
  readonly secret?: boolean;
  readonly reserved?: boolean;
}

const settingsOf = new Map<object, Setting[]>();
const sectionsOf = new Map<object, { readonly member: string; readonly description: string }[]>();

/** The settings of a section's class, in the order in which they are declared; those of the class that it extends first. */
export function settings(section: object): readonly Setting[] {
  return allOf(settingsOf, section);
}

/** The sections that a class consists of, in the order in which they are declared. */
export function sections(owner: object): readonly { readonly member: string; readonly description: string }[] {
  return allOf(sectionsOf, owner);
}

function allOf<T>(declared: ReadonlyMap<object, readonly T[]>, section: object): T[] {
  const found: T[] = [];
  for (let type: unknown = section.constructor; typeof type === 'function'; type = Object.getPrototypeOf(type))
    found.unshift(...(declared.get(type) ?? []));
  return found;
}

export function snakeCase(member: string): string {
  return member.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A member that is a section of its own. */
export function Section(description: string): PropertyDecorator {
  return (target, member) => {
    ValidateNested()(target, member);
    append(sectionsOf, target.constructor, { member: String(member), description });
  };
}

type Kind = Pick<Setting, 'type' | 'range' | 'schema' | 'read'> & Partial<Pick<Setting, 'show'>>;

function setting(kind: Kind, description: string, options: SettingOptions = {}): PropertyDecorator {
  const show = kind.show ?? ((value) => value);
  return (target, member) => {
    ValidateBy({
      name: kind.type,
      validator: {
        validate: (value) =>
          value === undefined || (!(value instanceof Unreadable) && kind.read(show(value)) !== undefined),
        defaultMessage: () => `must be ${kind.range}`,
      },
    })(target, member);
    append(settingsOf, target.constructor, {
      ...kind,
      show,
      description,
      member: String(member),
      secret: options.secret ?? false,
      reserved: options.reserved ?? false,
    });
  };
}

function append<T>(map: Map<object, T[]>, key: object, entry: T): void {
  const entries = map.get(key);
  if (entries === undefined) map.set(key, [entry]);
  else entries.push(entry);
}

export function Text(description: string, options?: SettingOptions): PropertyDecorator {
  return setting({ type: 'text', range: 'a text', schema: { type: 'string' }, read: textOf }, description, options);
}

/** @param range in words, what the pattern means */
export function TextLike(
  pattern: RegExp,
  range: string,
  description: string,
  options?: SettingOptions,
): PropertyDecorator {
  const read = (value: unknown) => (typeof value === 'string' && pattern.test(value) ? value : undefined);
  // In a file a secret is the name of a variable.
  const schema = { type: 'string', ...(options?.secret === true ? {} : { pattern: pattern.source }) };
  return setting({ type: 'text', range, schema, read }, description, options);
}

const serverAddress = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+):(\d{1,5})$/;

/** Whether a text is `host:port`. */
export function isServerAddress(text: string): boolean {
  const port = Number(serverAddress.exec(text)?.[2]);
  return port >= 1 && port <= 65_535;
}

/** `host:port` of a server, or empty. */
export function ServerAddress(range: string, description: string, options?: SettingOptions): PropertyDecorator {
  const pattern = new RegExp(`^$|${serverAddress.source}`);
  const read = (value: unknown) =>
    typeof value === 'string' && (value === '' || isServerAddress(value)) ? value : undefined;
  return setting(
    { type: 'address', range, schema: { type: 'string', pattern: pattern.source }, read },
    description,
    options,
  );
}

export function OneOf(values: readonly string[], description: string, options?: SettingOptions): PropertyDecorator {
  const read = (value: unknown) => (typeof value === 'string' && values.includes(value) ? value : undefined);
  return setting(
    { type: 'text', range: `one of ${values.join(', ')}`, schema: { enum: values }, read },
    description,
    options,
  );
}

export function Integer(min: number, max: number, description: string, options?: SettingOptions): PropertyDecorator {
  const read = (value: unknown) => within(Number.isInteger(numberOf(value)) ? numberOf(value) : undefined, min, max);
  const schema = { type: 'integer', minimum: min, maximum: max };
  return setting(
    { type: 'whole number', range: `a whole number from ${min} to ${max}`, schema, read },
    description,
    options,
  );
}

export function Decimal(min: number, max: number, description: string, options?: SettingOptions): PropertyDecorator {
  const read = (value: unknown) => within(numberOf(value), min, max);
  const schema = { type: 'number', minimum: min, maximum: max };
  return setting({ type: 'number', range: `a number from ${min} to ${max}`, schema, read }, description, options);
}

export function Flag(description: string, options?: SettingOptions): PropertyDecorator {
  const read = (value: unknown) => {
    if (typeof value === 'boolean') return value;
    return value === 'true' ? true : value === 'false' ? false : undefined;
  };
  return setting({ type: 'flag', range: 'true or false', schema: { type: 'boolean' }, read }, description, options);
}

/** `false`, or a whole number from 1 on. */
export function Limit(description: string, options?: SettingOptions): PropertyDecorator {
  const read = (value: unknown) => {
    if (value === false || value === 'false') return false;
    const number = numberOf(value);
    return number !== undefined && Number.isInteger(number) && number > 0 ? number : undefined;
  };
  const schema = { oneOf: [{ const: false }, { type: 'integer', minimum: 1 }] };
  return setting({ type: 'limit', range: 'false or a whole number from 1', schema, read }, description, options);
}

/** Milliseconds in the program; text such as `30s` in the file, so that nobody has to guess a unit. */
export function Duration(min: string, max: string, description: string, options?: SettingOptions): PropertyDecorator {
  const [least = 0, most = 0] = [parseDuration(min), parseDuration(max)];
  const read = (value: unknown) => (typeof value === 'string' ? within(parseDuration(value), least, most) : undefined);
  const show = (value: unknown) => (typeof value === 'number' ? formatDuration(value) : value);
  const schema = { type: 'string', pattern: String.raw`^(\d+(\.\d+)?(ms|s|m|h))+$` };
  return setting(
    { type: 'duration', range: `a duration from ${min} to ${max}, such as 30s or 1m30s`, schema, read, show },
    description,
    options,
  );
}

export function ListenAddress(description: string, options?: SettingOptions): PropertyDecorator {
  const read = (value: unknown) => {
    if (typeof value !== 'string') return undefined;
    try {
      parseListenAddress(value);
      return value;
    } catch {
      return undefined;
    }
  };
  const range = 'an address such as :8080, 127.0.0.1:8080 or [::1]:8080';
  return setting(
    { type: 'address', range, schema: { type: 'string', pattern: String.raw`:\d{1,5}$` }, read },
    description,
    options,
  );
}

/** @param accepts a single entry */
export function TextList(
  entry: { readonly range: string; readonly accepts: (text: string) => boolean; readonly min?: number },
  description: string,
  options?: SettingOptions,
): PropertyDecorator {
  const read = (value: unknown) => {
    if (!Array.isArray(value) || value.length < (entry.min ?? 0) || new Set(value).size !== value.length)
      return undefined;
    return value.every((item) => typeof item === 'string' && entry.accepts(item)) ? value : undefined;
  };
  const schema = { type: 'array', items: { type: 'string' }, uniqueItems: true, minItems: entry.min ?? 0 };
  return setting(
    { type: 'list', range: `a list without repetitions of ${entry.range}`, schema, read },
    description,
    options,
  );
}

/**
 * @param accepts the whole map; default: any
 * @param values of which each must be one
 */
export function TextMap(
  entry: {
    readonly range: string;
    readonly accepts?: (map: Readonly<Record<string, string>>) => boolean;
    readonly values: readonly string[];
    readonly required?: readonly string[];
  },
  description: string,
  options?: SettingOptions,
): PropertyDecorator {
  const { range, accepts = () => true, values, required = [] } = entry;
  const read = (value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    const map = value as Record<string, string>;
    const isComplete = required.every((key) => Object.hasOwn(map, key));
    return isComplete && Object.values(map).every((item) => values.includes(item)) && accepts(map) ? map : undefined;
  };
  const schema = { type: 'object', additionalProperties: { enum: values }, required };
  return setting({ type: 'map', range, schema, read }, description, options);
}

/** A list of objects that all have the same text members. */
export function RecordList(
  entry: {
    readonly range: string;
    readonly members: readonly string[];
    readonly accepts: (record: Readonly<Record<string, string>>) => boolean;
  },
  description: string,
  options?: SettingOptions,
): PropertyDecorator {
  const isRecord = (item: unknown): item is Record<string, string> =>
    typeof item === 'object' &&
    item !== null &&
    Object.keys(item).sort().join() === [...entry.members].sort().join() &&
    Object.values(item).every((member) => typeof member === 'string');
  const read = (value: unknown) =>
    Array.isArray(value) && value.every((item) => isRecord(item) && entry.accepts(item))
      ? (value as unknown[])
      : undefined;
  const properties = Object.fromEntries(entry.members.map((member) => [member, { type: 'string' }]));
  const items = { type: 'object', properties, required: entry.members, additionalProperties: false };
  return setting({ type: 'list', range: entry.range, schema: { type: 'array', items }, read }, description, options);
}

export function isAddressOrNetwork(text: string): boolean {
  const [address = '', prefix, ...more] = text.split('/');
  if (more.length > 0) return false;
  const family = isIP(address);
  if (family === 0) return false;
  // Everybody is no network.
  return (
    prefix === undefined ||
    (/^\d{1,3}$/.test(prefix) && Number(prefix) >= 1 && Number(prefix) <= (family === 4 ? 32 : 128))
  );
}

/** Numbers of a file, and numerals of an environment variable. */
function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  return typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}
