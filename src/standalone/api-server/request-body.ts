import type { IncomingMessage } from 'node:http';
import { parse } from 'yaml';
import { messageOf } from '../../error-message';
import { ApiStatus, badRequest, unsupportedMediaType } from './api-status';
import { decodeObject, protobuf } from './protobuf';

const json = 'application/json';
const yaml = 'application/yaml';
const maxBytes = 3 * 1024 * 1024;

/** What came with a request, read when it is known what it has to be: a path that is not there is refused first. */
export class RequestBody {
  private constructor(
    /** Empty when the request names none. */
    readonly mediaType: string,
    private readonly content: Buffer,
  ) {}

  /** @throws ApiStatus 413 */
  static async of(request: IncomingMessage): Promise<RequestBody> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes)
        throw new ApiStatus(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${maxBytes}`);
      chunks.push(chunk);
    }
    const [mediaType = ''] = (request.headers['content-type'] ?? '').split(';', 1);
    return new RequestBody(mediaType.trim(), Buffer.concat(chunks));
  }

  /**
   * An object; `undefined` when there is none.
   * @throws ApiStatus 400 or 415
   */
  parsed(): unknown {
    if (this.content.length === 0) return undefined;
    switch (this.mediaType) {
      case '':
      case json:
        return read(JSON.parse, this.content.toString(), 'the object provided is unrecognized');
      case yaml:
        return read(parse, this.content.toString(), 'the object provided is unrecognized');
      case protobuf:
        return decodeObject(this.content);
      default:
        throw unsupportedMediaType([json, yaml]);
    }
  }

  /** @throws ApiStatus 400 */
  patch(): unknown {
    return read(JSON.parse, this.content.toString(), 'error decoding patch');
  }
}

function read(reader: (text: string) => unknown, text: string, refusal: string): unknown {
  try {
    return reader(text);
  } catch (error) {
    throw badRequest(`${refusal}: ${messageOf(error)}`);
  }
}
