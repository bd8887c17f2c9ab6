import { createHash } from 'node:crypto';

/**
 * A bill of materials of npm, of what runs in production alone, with nothing in it that another run, machine or folder would make
 * different: npm takes the name of the folder, the time, and a number at random.
 *
 * npm is to write all packages: with `--omit dev` it leaves out those that a development dependency wants as well, such as @nestjs/common.
 * @param name of the project
 * @param timestamp when the sources are from, ISO 8601
 * @param packages what runs in production, by name and version
 */
export function productionBom(bom, { name, timestamp, packages }) {
  const runs = new Set(packages.map((one) => `${one.name}@${one.version}`));
  const components = bom.components.filter((one) => runs.has(one['bom-ref']));
  const missing = [...runs].filter((ref) => !components.some((one) => one['bom-ref'] === ref));
  if (missing.length > 0) throw new Error(`npm sbom leaves out ${missing.join(', ')}`);
  const root = bom.metadata.component['bom-ref'];
  const content = {
    ...bom,
    serialNumber: undefined,
    metadata: { ...bom.metadata, timestamp, component: { ...bom.metadata.component, name } },
    components: sortedBy(components, 'bom-ref'),
    dependencies: sortedBy(bom.dependencies, 'ref')
      .filter(({ ref }) => ref === root || runs.has(ref))
      .map((one) => ({ ...one, dependsOn: (one.dependsOn ?? []).filter((ref) => runs.has(ref)).sort() })),
  };
  return { ...content, serialNumber: `urn:uuid:${uuidOf(JSON.stringify(content))}` };
}

function sortedBy(items, key) {
  return [...items].sort((a, b) => (a[key] < b[key] ? -1 : 1));
}

/** A UUID (version 8: made by a rule of one's own) of a text. */
function uuidOf(text) {
  const hex = createHash('sha256').update(text).digest('hex');
  const variant = '89ab'[Number.parseInt(hex[16], 16) % 4];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
