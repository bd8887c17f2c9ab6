// One project a level of test; `npm run test:unit` and its siblings select one by name.
const project = (displayName, testMatch) => ({
  displayName,
  rootDir: __dirname,
  testEnvironment: 'node',
  testMatch,
  transform: { '^.+\\.ts$': '@swc/jest' },
  setupFiles: ['reflect-metadata'],
  // A dynamic import names the file that is built.
  moduleNameMapper: { '^(\\./.*[.]module)[.]js$': '$1' },
});

/** @type {import('jest').Config} */
module.exports = {
  projects: [
    project('unit', ['<rootDir>/src/**/*.spec.ts', '<rootDir>/test/unit/**/*.spec.ts']),
    project('contract', ['<rootDir>/test/contract/**/*.spec.ts']),
    project('integration', ['<rootDir>/test/integration/**/*.spec.ts']),
    project('e2e', ['<rootDir>/test/e2e/**/*.spec.ts']),
    project('chaos', ['<rootDir>/test/chaos/**/*.spec.ts']),
  ],
  maxWorkers: 2,
  testTimeout: 40000,
};
