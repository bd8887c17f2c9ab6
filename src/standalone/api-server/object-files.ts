import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { messageOf } from '../../error-message';
import type { KubernetesObject } from './kubernetes-object';
import type { ResourceType } from './resource-types';

/** Objects as YAML files: `<group or core>/<resource>/<namespace>/<name>.yaml`. */
export class ObjectFiles {
  constructor(private readonly directory: string) {
    mkdirSync(directory, { recursive: true });
  }

  /** @throws Error that names the file which cannot be read */
  read(): KubernetesObject[] {
    return readdirSync(this.directory, { recursive: true })
      .map((file) => join(this.directory, String(file)))
      .filter((file) => file.endsWith('.yaml') && statSync(file).isFile())
      .map((file) => {
        try {
          return parse(readFileSync(file, 'utf8')) as KubernetesObject;
        } catch (error) {
          throw new Error(`${file} is not a Kubernetes object: ${messageOf(error)}`, { cause: error });
        }
      });
  }

  /** When it returns, the object is there as a whole: a reader never sees half of it. */
  write(type: ResourceType, object: KubernetesObject): void {
    const file = this.fileOf(type, object);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(`${file}.tmp`, stringify(object));
    renameSync(`${file}.tmp`, file);
  }

  remove(type: ResourceType, object: KubernetesObject): void {
    rmSync(this.fileOf(type, object), { force: true });
  }

  /** Names are validated before they come here: they hold no separator and are never `..`. */
  private fileOf({ group, plural }: ResourceType, { metadata }: KubernetesObject): string {
    return join(
      this.directory,
      group === '' ? 'core' : group,
      plural,
      metadata.namespace ?? '',
      `${metadata.name ?? ''}.yaml`,
    );
  }
}
