#!/usr/bin/env node

/** What the libraries ask for. */
const oldestNode = [22, 19] as const;

async function main(): Promise<void> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1])) {
    throw new Error(
      `kubernaut-gateway needs Node.js ${oldestNode.join('.')} or newer, this is ${process.versions.node}`,
    );
  }
  // Only now: an older Node cannot even load what follows.
  const { compileProgram, loadProgram } = await import('./program.js');
  const program = compileProgram();
  const { run } = program === undefined ? await import('./cli/run.js') : loadProgram(program);
  await run(process.argv.slice(2), process.env);
}

// Who read them has gone: what is told there is lost, and nothing else.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

main().catch((error: unknown) => {
  process.stderr.write(`kubernaut-gateway: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
