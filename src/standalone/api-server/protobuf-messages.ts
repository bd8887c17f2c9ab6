export type FieldKind = 'text' | 'texts' | 'number' | 'boolean' | 'bytes' | 'map' | Message | readonly [Message];

/** The fields of a message by their numbers; one that a server writes itself is ignored. */
export type Message = Readonly<Record<number, readonly [name: string, kind: FieldKind] | 'ignored'>>;

const metadata: Message = {
  1: ['name', 'text'],
  2: ['generateName', 'text'],
  3: ['namespace', 'text'],
  4: 'ignored',
  5: 'ignored',
  6: ['resourceVersion', 'text'],
  7: 'ignored',
  8: 'ignored',
  11: ['labels', 'map'],
  12: ['annotations', 'map'],
  14: ['finalizers', 'texts'],
};

const resourceAttributes: Message = {
  1: ['namespace', 'text'],
  2: ['verb', 'text'],
  3: ['group', 'text'],
  4: ['version', 'text'],
  5: ['resource', 'text'],
  6: ['subresource', 'text'],
  7: ['name', 'text'],
};

const nonResourceAttributes: Message = { 1: ['path', 'text'], 2: ['verb', 'text'] };

const ownAccess: Message = {
  1: ['resourceAttributes', resourceAttributes],
  2: ['nonResourceAttributes', nonResourceAttributes],
};

const role: Message = {
  1: ['metadata', metadata],
  2: [
    'rules',
    [
      {
        1: ['verbs', 'texts'],
        2: ['apiGroups', 'texts'],
        3: ['resources', 'texts'],
        4: ['resourceNames', 'texts'],
        5: ['nonResourceURLs', 'texts'],
      },
    ],
  ],
};

const binding: Message = {
  1: ['metadata', metadata],
  2: ['subjects', [{ 1: ['kind', 'text'], 2: ['apiGroup', 'text'], 3: ['name', 'text'], 4: ['namespace', 'text'] }]],
  3: ['roleRef', { 1: ['apiGroup', 'text'], 2: ['kind', 'text'], 3: ['name', 'text'] }],
};

const withSpec = (spec: Message): Message => ({ 1: ['metadata', metadata], 2: ['spec', spec], 3: 'ignored' });

/** The kinds that commands of kubectl send in this form, from the generated.proto of their groups. */
export const messages: ReadonlyMap<string, Message> = new Map<string, Message>([
  ['TokenRequest', withSpec({ 1: ['audiences', 'texts'], 4: ['expirationSeconds', 'number'] })],
  ['TokenReview', withSpec({ 1: ['token', 'text'], 2: ['audiences', 'texts'] })],
  ['SubjectAccessReview', withSpec({ ...ownAccess, 3: ['user', 'text'], 4: ['groups', 'texts'], 6: ['uid', 'text'] })],
  ['SelfSubjectAccessReview', withSpec(ownAccess)],
  ['Namespace', withSpec({ 1: ['finalizers', 'texts'] })],
  ['ServiceAccount', { 1: ['metadata', metadata], 4: ['automountServiceAccountToken', 'boolean'] }],
  ['ConfigMap', { 1: ['metadata', metadata], 2: ['data', 'map'], 4: ['immutable', 'boolean'] }],
  ['Role', role],
  ['ClusterRole', role],
  ['RoleBinding', binding],
  ['ClusterRoleBinding', binding],
  ['DeleteOptions', { 2: ['preconditions', { 1: ['uid', 'text'], 2: ['resourceVersion', 'text'] }], 4: 'ignored' }],
]);
