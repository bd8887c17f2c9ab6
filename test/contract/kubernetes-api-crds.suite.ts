import { eventually } from '../support/eventually';
import { crdsPath, remediationRequestCrd, request, shown, type ContractScope } from './kubernetes-api.scope';

// eslint-disable-next-line jest/no-export -- a part of the contract, which a spec file for each server runs
export function describeCrds(scope: ContractScope): void {
  const { id, home, call, eventsOf } = scope;

  describe('a CRD', () => {
    const group = `contract-${id}.kubernaut.io`;
    const path = `${crdsPath}/remediationrequests.${group}`;
    const things = `/apis/${group}/v1/namespaces/${home}/remediationrequests`;

    it('takes its objects along when it is deleted, and its watches learn of it', async () => {
      const crd = remediationRequestCrd();
      crd.metadata.name = `remediationrequests.${group}`;
      crd.spec.group = group;
      expect((await call('POST', crdsPath, crd)).code).toBe(201);
      const thing = (name: string) => ({ ...request(name), apiVersion: `${group}/v1` });
      await eventually(async () => expect((await call('POST', things, thing('first'))).code).toBe(201));
      await call('POST', things, thing('second'));
      const { body } = await call('GET', things);
      const watched = eventsOf(
        `${things}?watch=true&timeoutSeconds=30&resourceVersion=${body.metadata.resourceVersion}`,
      );
      // The watch has to be there before.
      await eventually(async () => expect((await call('POST', things, thing('third'))).code).not.toBe(404));
      const began = Date.now();
      expect((await call('DELETE', path)).body).toMatchObject({
        kind: 'CustomResourceDefinition',
        metadata: { deletionTimestamp: expect.any(String) },
      });
      const events = await watched;
      expect(events.filter(({ type }) => type === 'DELETED').map(shown)).toEqual([
        'DELETED first',
        'DELETED second',
        'DELETED third',
      ]);
      expect(Date.now() - began).toBeLessThan(15_000);
      await eventually(async () => expect((await call('GET', path)).code).toBe(404));
      await eventually(async () =>
        expect(await call('GET', things)).toMatchObject({ code: 404, body: '404 page not found\n' }),
      );
    }, 60_000);
  });
}
