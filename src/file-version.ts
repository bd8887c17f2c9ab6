import { statSync } from 'node:fs';

/** Another one when the file has changed, also when that was by a swapped link; `undefined` while it cannot be looked at. */
export function versionOf(file: string): string | undefined {
  try {
    const { ino, mtimeMs, size } = statSync(file);
    return `${ino} ${mtimeMs} ${size}`;
  } catch {
    return undefined;
  }
}
