import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Files of an authority of its own, and of a server on loopback and a client that it knows. */
export class Certificates {
  readonly directory = mkdtempSync(join(tmpdir(), 'certificates-'));
  readonly ca = this.file('ca.crt');

  constructor() {
    this.openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', '/CN=test authority', '-keyout', this.file('ca.key'), '-out', this.ca],
    );
  }

  /** A certificate for 127.0.0.1 and localhost. */
  issue(name: string): { readonly cert: string; readonly key: string } {
    const [cert, key, request, extensions] = ['crt', 'key', 'csr', 'ext'].map((kind) => this.file(`${name}.${kind}`));
    this.openssl(
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`],
      ...['-keyout', key!, '-out', request!],
    );
    writeFileSync(extensions!, 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
    this.openssl(
      ...['x509', '-req', '-in', request!, '-CA', this.ca, '-CAkey', this.file('ca.key'), '-CAcreateserial'],
      ...['-days', '2', '-extfile', extensions!, '-out', cert!],
    );
    return { cert: cert!, key: key! };
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }

  private file(name: string): string {
    return join(this.directory, name);
  }

  private openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: 'pipe' });
  }
}
