import type { ApiUnderTest } from '../support/api-under-test';
import { eventually } from '../support/eventually';
import { ContractScope, crdsPath, namespace, remediationRequestCrd } from './kubernetes-api.scope';
import { describeAccess } from './kubernetes-api-access.suite';
import { describeChanges } from './kubernetes-api-changes.suite';
import { describeCrds } from './kubernetes-api-crds.suite';
import { describeLists } from './kubernetes-api-lists.suite';
import { describeNamespaces } from './kubernetes-api-namespaces.suite';
import { describeObjects } from './kubernetes-api-objects.suite';
import { describeRefusals } from './kubernetes-api-refusals.suite';
import { describeSchemas } from './kubernetes-api-schemas.suite';
import { describeTokens } from './kubernetes-api-tokens.suite';
import { describeWatches } from './kubernetes-api-watches.suite';

/** The behaviour of a Kubernetes API server that the gateway and its orchestrator rely on, the same for every one of them. */
// eslint-disable-next-line jest/no-export -- a spec file for each server runs these
export function describeKubernetesApi(name: string, start: () => Promise<ApiUnderTest>): void {
  describe(`the Kubernetes API of ${name}`, () => {
    const scope = new ContractScope();
    const { call, create, home, requests } = scope;

    beforeAll(async () => {
      scope.api = await start();
      expect((await call('POST', '/api/v1/namespaces', namespace(home))).code).toBe(201);
      // One may be there already in a cluster that stays.
      expect([201, 409]).toContain((await call('POST', crdsPath, remediationRequestCrd())).code);
      await eventually(async () => expect((await call('GET', requests)).code).toBe(200));
      await eventually(async () => expect((await create('plain')).code).toBe(201));
    }, 60_000);
    afterAll(async () => {
      await call('DELETE', `/api/v1/namespaces/${home}`);
      await scope.api.close();
    }, 30_000);

    describeObjects(scope);
    describeRefusals(scope);
    describeSchemas(scope);
    describeChanges(scope);
    describeLists(scope);
    describeWatches(scope);
    describeNamespaces(scope);
    describeTokens(scope);
    describeAccess(scope);
    describeCrds(scope);
  });
}
