import { crdFile, manifests } from '../../test/support/cluster-admin';
import type { RemediationRequest } from './remediation-request';
import { tryRequest } from './request-trial';

interface Crd {
  readonly spec: {
    readonly versions: [
      {
        readonly schema: {
          readonly openAPIV3Schema: { readonly properties: { readonly spec: { properties: object } } };
        };
      },
    ];
  };
}

describe('tryRequest', () => {
  it('tries every member of a request, so that a CRD that is too old for any of them shows', async () => {
    const tried: RemediationRequest[] = [];
    const tryCreate = (request: RemediationRequest) => Promise.resolve(tried[tried.push(request) - 1]!);
    expect(await tryRequest({ tryCreate }, 'kubernaut-system', new AbortController().signal)).toEqual([]);
    const [crd] = manifests(crdFile) as unknown as [Crd];
    const members = Object.keys(crd.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties);
    expect(Object.keys(tried[0]!.spec)).toEqual(expect.arrayContaining(members));
  });
});
