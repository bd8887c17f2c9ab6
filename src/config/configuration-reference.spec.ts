import { configurationReference, exampleFile } from './configuration-reference';
import { namedVariables, settingsByPath, variableOf } from './environment-variables';
import { GatewayConfig } from './gateway-config';

describe('the reference of the configuration', () => {
  const text = configurationReference();
  const sectionOf = (path: string) =>
    text.split(/^## /m).find((part) => part.startsWith(`${path.split('.')[0] ?? ''}\n`));

  it.each([...settingsByPath(new GatewayConfig())])(
    'has a row for %s, with its variable and meaning',
    (path, { setting }) => {
      const key = path.slice(path.indexOf('.') + 1);
      const row = sectionOf(path)
        ?.split('\n')
        .find((line) => line.startsWith(`| \`${key}\` |`));
      expect(row).toContain(setting.description);
      expect(row).toContain(`\`${variableOf(path)}\``);
      expect(row?.includes('*Reserved.*')).toBe(setting.reserved);
      // A bar in a cell is escaped, or the row would have another column.
      expect(row?.split(/(?<!\\)\|/)).toHaveLength(6);
    },
  );

  it('has the example, and the variables that have a name of their own', () => {
    expect(text).toContain(exampleFile);
    for (const [variable, path] of Object.entries(namedVariables)) {
      expect(text).toContain(`| \`${variable}\` | \`${path}\` |`);
      expect(settingsByPath(new GatewayConfig()).has(path)).toBe(true);
    }
  });
});
