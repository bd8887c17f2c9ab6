import { unsupportedMediaType } from './api-status';
import { messages, type Message } from './protobuf-messages';

export const protobuf = 'application/vnd.kubernetes.protobuf';

/** What goes before every object: k8s and a zero byte. */
const magic = Buffer.from([0x6b, 0x38, 0x73, 0x00]);
const envelope: Message = {
  1: ['type', { 1: ['apiVersion', 'text'], 2: ['kind', 'text'] }],
  2: ['raw', 'bytes'],
  3: 'ignored',
  4: 'ignored',
};

/**
 * Reads an object as typed clients send it, among them some commands of kubectl.
 * @throws ApiStatus 415 for a kind, or a field of one, that is not known here
 */
export function decodeObject(content: Buffer): Record<string, unknown> {
  if (!content.subarray(0, magic.length).equals(magic)) throw notReadable();
  const { type, raw } = decode(content.subarray(magic.length), envelope) as {
    type?: { apiVersion?: string; kind?: string };
    raw?: Buffer;
  };
  const { apiVersion = '', kind = '' } = type ?? {};
  const message = messages.get(kind);
  if (message === undefined) throw notReadable();
  return { apiVersion, kind, ...decode(raw ?? Buffer.alloc(0), message) };
}

function decode(content: Buffer, message: Message): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const { number, value } of fieldsOf(content)) {
    const field = message[number];
    // Dropping what is not known would change what the client means.
    if (field === undefined) throw notReadable();
    if (field === 'ignored') continue;
    const [name, kind] = field;
    if (typeof value === 'number') result[name] = kind === 'boolean' ? value !== 0 : value;
    else if (kind === 'text') {
      // Empty is how this encoding says that there is none.
      if (value.length > 0) result[name] = value.toString();
    } else if (kind === 'bytes') result[name] = value;
    else if (kind === 'texts') result[name] = [...listOf(result[name]), value.toString()];
    else if (kind === 'map') result[name] = { ...(result[name] as object | undefined), ...entryOf(value) };
    else if (Array.isArray(kind)) result[name] = [...listOf(result[name]), decode(value, kind[0] as Message)];
    else if (typeof kind === 'object') result[name] = decode(value, kind as Message);
  }
  return result;
}

function* fieldsOf(content: Buffer): Generator<{ readonly number: number; readonly value: number | Buffer }> {
  let position = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = content[position++];
      if (byte === undefined) throw notReadable();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (position < content.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        yield { number, value: varint() };
        break;
      case 2: {
        const length = varint();
        if (position + length > content.length) throw notReadable();
        yield { number, value: content.subarray(position, position + length) };
        position += length;
        break;
      }
      default:
        throw notReadable();
    }
  }
}

function entryOf(content: Buffer): Record<string, unknown> {
  const { key = '', value = '' } = decode(content, { 1: ['key', 'text'], 2: ['value', 'text'] });
  return { [key as string]: value };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function notReadable() {
  return unsupportedMediaType(['application/json', 'application/yaml']);
}
