import { readFileSync, watchFile, unwatchFile } from 'node:fs';
import type { Server } from 'node:https';
import { createSecureContext } from 'node:tls';
import type { LogSink } from '../logging/log-sink';

/** PEM files of the server's certificate, with those that lead to its authority, and of its key. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface TlsPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** A mounted Secret changes by a swapped link, which no notification tells. Milliseconds. */
const pollMs = 5_000;

/** @throws Error that names the file, when one cannot be read or they do not fit */
export function readTlsPair({ certFile, keyFile }: TlsFiles): TlsPair {
  const pair = { cert: readPem('server.tls.cert_file', certFile), key: readPem('server.tls.key_file', keyFile) };
  try {
    createSecureContext(pair);
  } catch (error) {
    throw new Error(`server.tls: ${certFile} and ${keyFile} do not go together: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return pair;
}

/**
 * Takes a certificate that was renewed for connections from then on; one that cannot be used changes nothing. Answers how to stop.
 * @param everyMs how often the files are looked at
 */
export function followTlsPair(server: Server, files: TlsFiles, log: LogSink, everyMs = pollMs): () => void {
  const takeOver = () => {
    try {
      server.setSecureContext(readTlsPair(files));
      log.info({ cert_file: files.certFile }, 'certificate renewed');
    } catch (error) {
      log.error({ reason: (error as Error).message }, 'the renewed certificate cannot be used');
    }
  };
  // The key comes with it, and may be there a moment later: then both are read again.
  const paths = [files.certFile, files.keyFile];
  for (const path of paths) watchFile(path, { interval: everyMs, persistent: false }, takeOver);
  return () => {
    for (const path of paths) unwatchFile(path, takeOver);
  };
}

function readPem(setting: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(`${setting}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`, {
      cause: error,
    });
  }
}
