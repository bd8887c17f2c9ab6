import { invalid, type StatusCause } from './api-status';
import type { ObjectStore } from './object-store';
import { decideAccess, type AccessDecision } from './rbac';
import { isRecord } from './structural-schema';

/** Access reviews have no kind in the refusals of the real server. */
const subject = { group: 'authorization.k8s.io', plural: '', kind: '' };

/**
 * May this user, or these groups, do that?
 * @throws ApiStatus 422
 */
export function reviewAccess(store: ObjectStore, spec: Record<string, unknown>): AccessDecision {
  const user = textOf(spec.user);
  const groups = Array.isArray(spec.groups) ? spec.groups.map(String) : [];
  const causes = actionViolations(spec);
  if (user === '' && groups.length === 0)
    causes.push(wrong('spec.user', 'Invalid value: "": at least one of user or group must be specified'));
  if (causes.length > 0) throw invalid(subject, '', causes);
  const { nonResourceAttributes, resourceAttributes } = spec;
  if (isRecord(nonResourceAttributes)) {
    const { path, verb } = nonResourceAttributes;
    return decideAccess(store, { user, groups, action: { path: textOf(path), verb: textOf(verb) } });
  }
  const { verb, group, resource, subresource, name, namespace } = resourceAttributes as Record<string, unknown>;
  return decideAccess(store, {
    user,
    groups,
    action: {
      verb: textOf(verb),
      group: textOf(group),
      resource: textOf(resource),
      subresource: textOf(subresource),
      name: textOf(name),
      namespace: textOf(namespace),
    },
  });
}

/**
 * May the caller do that? There is no authentication here: whoever calls is the administrator.
 * @throws ApiStatus 422
 */
export function reviewOwnAccess(spec: Record<string, unknown>): AccessDecision {
  const causes = actionViolations(spec);
  if (causes.length > 0) throw invalid(subject, '', causes);
  return { allowed: true };
}

function actionViolations({ resourceAttributes, nonResourceAttributes }: Record<string, unknown>): StatusCause[] {
  if (isRecord(resourceAttributes) && isRecord(nonResourceAttributes)) {
    const { path, verb } = nonResourceAttributes;
    const shown = JSON.stringify({ Path: textOf(path), Verb: textOf(verb) });
    const message = `Invalid value: ${shown}: cannot be specified in combination with resourceAttributes`;
    return [wrong('spec.nonResourceAttributes', message)];
  }
  if (isRecord(resourceAttributes) || isRecord(nonResourceAttributes)) return [];
  const message = 'Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified';
  return [wrong('spec.resourceAttributes', message)];
}

function wrong(field: string, message: string): StatusCause {
  return { reason: 'FieldValueInvalid', message, field };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
