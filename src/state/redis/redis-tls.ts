import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';

export interface RedisTlsFiles {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly serverName: string;
}

/**
 * Reads what TLS needs. An empty path is none.
 * @throws Error that names the setting whose file cannot be read
 */
export function readRedisTls({ caFile, certFile, keyFile, serverName }: RedisTlsFiles): ConnectionOptions {
  return {
    ...file('ca', 'redis.tls.ca_file', caFile),
    ...file('cert', 'redis.tls.cert_file', certFile),
    ...file('key', 'redis.tls.key_file', keyFile),
    ...(serverName === '' ? {} : { servername: serverName }),
  };
}

function file(option: 'ca' | 'cert' | 'key', setting: string, path: string): ConnectionOptions {
  if (path === '') return {};
  try {
    return { [option]: readFileSync(path) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`${setting}: ${path} cannot be read (${code ?? 'unknown'})`, { cause: error });
  }
}
