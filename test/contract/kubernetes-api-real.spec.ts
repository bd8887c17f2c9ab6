import { setTimeout as delay } from 'node:timers/promises';
import { HttpApi, type Answered, type ApiUnderTest } from '../support/api-under-test';
import { startKubeApiServer } from '../support/kube-apiserver';
import { describeKubernetesApi } from './kubernetes-api.suite';

describeKubernetesApi('a real kube-apiserver', startRealApi);

async function startRealApi(): Promise<ApiUnderTest> {
  const server = await startKubeApiServer();
  const http = new HttpApi(server.url, server);
  return {
    name: 'a real kube-apiserver',
    call: http.call.bind(http),
    watch: http.watch.bind(http),
    token: http.token.bind(http),
    overload: () => overload(http),
    async close() {
      await http.close();
      await server.close();
    },
  };
}

/** Gives one service account a priority level without a seat; the one call that it gets through all the same is kept waiting. */
async function overload(http: HttpApi): Promise<Answered> {
  const name = `contract-overload-${Date.now()}`;
  const account = { namespace: 'default', name };
  const rbac = 'rbac.authorization.k8s.io';
  const flowControl = 'flowcontrol.apiserver.k8s.io';
  const limited = {
    nominalConcurrencyShares: 0,
    lendablePercent: 0,
    borrowingLimitPercent: 0,
    limitResponse: { type: 'Reject' },
  };
  const everything = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] };
  const objects: [string, object][] = [
    ['/api/v1/namespaces/default/serviceaccounts', { apiVersion: 'v1', kind: 'ServiceAccount' }],
    [
      `/apis/${rbac}/v1/clusterrolebindings`,
      {
        apiVersion: `${rbac}/v1`,
        kind: 'ClusterRoleBinding',
        roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'cluster-admin' },
        subjects: [{ kind: 'ServiceAccount', ...account }],
      },
    ],
    [
      `/apis/${flowControl}/v1/prioritylevelconfigurations`,
      { apiVersion: `${flowControl}/v1`, kind: 'PriorityLevelConfiguration', spec: { type: 'Limited', limited } },
    ],
    [
      `/apis/${flowControl}/v1/flowschemas`,
      {
        apiVersion: `${flowControl}/v1`,
        kind: 'FlowSchema',
        spec: {
          matchingPrecedence: 2,
          priorityLevelConfiguration: { name },
          rules: [{ subjects: [{ kind: 'ServiceAccount', serviceAccount: account }], resourceRules: [everything] }],
        },
      },
    ],
  ];
  for (const [path, object] of objects) {
    const { code, body } = await http.call('POST', path, { ...object, metadata: { name } });
    if (code !== 201) throw new Error(`no overload: ${JSON.stringify(body)}`);
  }
  try {
    const token = await http.token('default', name, []);
    return await callBesideAWaitingOne(http, token);
  } finally {
    for (const [path] of objects.reverse()) await http.call('DELETE', `${path}/${name}`);
  }
}

/** A list of a version that is not there yet takes some seconds. It may take a moment until the priority level is in force. */
async function callBesideAWaitingOne(http: HttpApi, token: string): Promise<Answered> {
  for (let attempt = 1; ; attempt++) {
    const waiting = http.call('GET', '/api/v1/namespaces?resourceVersion=999999999', undefined, { token });
    await delay(300);
    const answered = await http.call('GET', '/api/v1/namespaces', undefined, { token });
    await waiting;
    if (answered.code === 429 || attempt === 5) return answered;
  }
}
