import { eventually } from '../support/eventually';
import { ownAudience, type ContractScope } from './kubernetes-api.scope';

// eslint-disable-next-line jest/no-export -- a part of the contract, which a spec file for each server runs
export function describeTokens(scope: ContractScope): void {
  const { home, accounts, call } = scope;

  describe('a token', () => {
    const account = 'sender';
    beforeAll(async () => {
      await call('POST', accounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: account } });
    });
    const review = async (token: string, audiences?: readonly string[]) => {
      const { code, body } = await call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, ...(audiences ? { audiences } : {}) },
      });
      expect(code).toBe(201);
      return body.status;
    };
    const user = {
      username: `system:serviceaccount:${home}:${account}`,
      uid: expect.any(String),
      groups: ['system:serviceaccounts', `system:serviceaccounts:${home}`, 'system:authenticated'],
      extra: { 'authentication.kubernetes.io/credential-id': [expect.stringMatching(/^JTI=/)] },
    };
    const refused = (error: string) => ({ user: {}, error });

    it('is given for audiences and a time', async () => {
      const { code, body } = await call('POST', `${accounts}/${account}/token`, {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { audiences: ['gateway'], expirationSeconds: 900 },
      });
      expect({ code, body }).toMatchObject({
        code: 201,
        body: {
          kind: 'TokenRequest',
          spec: { audiences: ['gateway'], expirationSeconds: 900 },
          status: { token: expect.any(String), expirationTimestamp: expect.any(String) },
        },
      });
      const [, payload = ''] = (body.status.token as string).split('.');
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
      expect(claims).toMatchObject({ iss: expect.any(String), sub: user.username, aud: ['gateway'] });
      expect(claims.exp - claims.iat).toBe(900);
      expect(Date.parse(body.status.expirationTimestamp)).toBe(claims.exp * 1000);
    });

    it('is not given for too short a time, nor of an account that is not there', async () => {
      const ask = (name: string, expirationSeconds: number) =>
        call('POST', `${accounts}/${name}/token`, {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: { expirationSeconds },
        });
      expect(await ask(account, 10)).toMatchObject({
        code: 422,
        body: { details: { kind: 'TokenRequest', causes: [{ field: 'spec.expirationSeconds' }] } },
      });
      expect(await ask('nobody', 600)).toMatchObject({
        code: 404,
        body: { details: { name: 'nobody', kind: 'serviceaccounts' } },
      });
    });

    it('is good for its audiences', async () => {
      const token = await scope.api.token(home, account, ['gateway', 'other']);
      expect(await review(token, ['nobody', 'gateway'])).toEqual({
        authenticated: true,
        user,
        audiences: ['gateway'],
      });
    });

    it('is good for the API server when it was asked for without any', async () => {
      const token = await scope.api.token(home, account, []);
      expect(await review(token)).toEqual({ authenticated: true, user, audiences: [ownAudience] });
    });

    it('is not good for other audiences', async () => {
      const token = await scope.api.token(home, account, ['gateway', 'other']);
      const why = (wanted: string) =>
        `[invalid bearer token, token audiences ["gateway" "other"] is invalid for the target audiences ["${wanted}"]]`;
      expect(await review(token, ['third'])).toEqual(refused(why('third')));
      expect(await review(token)).toEqual(refused(why(ownAudience)));
    });

    it('is not good when it is garbage, or changed', async () => {
      expect(await review('garbage', ['gateway'])).toEqual(refused('invalid bearer token'));
      const [header, payload, signature = ''] = (await scope.api.token(home, account, ['gateway'])).split('.');
      const forged = `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
      expect(await review(forged, ['gateway'])).toEqual(refused(expect.stringContaining('invalid bearer token')));
    });

    it('is not good any more when its account is gone', async () => {
      await call('POST', accounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'leaver' } });
      const token = await scope.api.token(home, 'leaver', ['gateway']);
      expect((await review(token, ['gateway'])).authenticated).toBe(true);
      const { body } = await call('DELETE', `${accounts}/leaver`);
      expect(body.kind).toBe('ServiceAccount');
      await eventually(async () =>
        expect(await review(token, ['gateway'])).toEqual(
          refused('[invalid bearer token, serviceaccounts "leaver" not found]'),
        ),
      );
    });

    it('is needed for a review', async () => {
      const { code, body } = await call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: {},
      });
      expect({ code, body }).toMatchObject({ code: 400, body: { reason: 'BadRequest' } });
      expect((await call('GET', '/apis/authentication.k8s.io/v1/tokenreviews')).code).toBe(405);
    });
  });
}
