import { applyDecorators } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';

const created = {
  status: 'created',
  fingerprint: 'a3f8b2c1d4e5f6a7b8c9d0e1f2a3b4c5d6e7f8a9b0c1d2e3f4a5b6c7d8e9f0a1',
  remediation_request_name: 'remediation-highmemoryusage-a3f8b2',
  namespace: 'prod-payment-service',
  environment: 'production',
  priority: 'P1',
  duplicate: false,
  storm_aggregation: false,
  environment_source: 'namespace_label',
  priority_source: 'fallback_table',
  reason: 'new',
  processing_time_ms: 42,
};

const duplicate = {
  status: 'duplicate',
  fingerprint: created.fingerprint,
  duplicate: true,
  metadata: {
    count: 2,
    first_seen: '2025-10-04T10:00:00Z',
    last_seen: '2025-10-04T10:01:30Z',
    remediation_request_ref: created.remediation_request_name,
  },
  reason: 'known',
  processing_time_ms: 5,
};

const invalid = {
  type: 'https://kubernaut.io/problems/validation-error',
  title: 'Bad Request',
  status: 400,
  detail: "Signal validation failed: missing required field 'alertname'",
  error: "Signal validation failed: missing required field 'alertname'",
  details: { validation_errors: ['alertname is required'] },
  request_id: '0b0c1f0e-5a38-4d5e-9d7a-3f6c1f2f5b11',
  processing_time_ms: 1,
};

const several = {
  status: 'processed',
  summary: {
    received: 2,
    created: 1,
    duplicate: 1,
    storm_aggregated: 0,
    resolved: 0,
    heartbeat: 0,
    ignored: 0,
    rejected: 0,
    failed: 0,
  },
  results: [created, duplicate].map(({ processing_time_ms: _, ...result }) => result),
  processing_time_ms: 48,
};

/** RFC 9457; docs/errors.md lists the types. */
const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'error', 'request_id', 'processing_time_ms'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    error: { type: 'string' },
    details: { type: 'object', additionalProperties: true },
    request_id: { type: 'string' },
    processing_time_ms: { type: 'integer' },
  },
};

/** By status; that of 400 has an example. */
const refusals: Readonly<Record<number, string>> = {
  401: 'No token, or one that is not accepted.',
  403: 'The caller may not send signals for the namespace of any alert of the webhook.',
  408: 'The request was not received within `server.read_timeout`.',
  413: 'The body is larger than `server.max_body_bytes`.',
  415: 'The content type is not `application/json`, or the body is encoded.',
  429: 'Too many requests of this address without an accepted token.',
  431: 'The headers are larger than `server.max_header_bytes`, or more than 100.',
  500: 'A bug of the gateway.',
  503: 'A dependency failed, too much is under way, or the caller is over its limit: send it again after `Retry-After` seconds.',
};

/** The answers that every source of signals has in common. */
export function ApiSignalAnswers(): MethodDecorator {
  return applyDecorators(
    ApiResponse({
      status: 201,
      description: 'At least one RemediationRequest was created and is acknowledged by the cluster.',
      content: { 'application/json': { examples: { one: { value: created }, several: { value: several } } } },
    }),
    ApiResponse({
      status: 202,
      description: 'Nothing new: duplicates, resolved signals or heartbeats.',
      content: { 'application/json': { examples: { duplicate: { value: duplicate } } } },
    }),
    ApiResponse({
      status: 400,
      description: 'The body is not a webhook, or none of its alerts is valid. Everything that is wrong is listed.',
      content: { 'application/problem+json': { examples: { invalid: { value: invalid } } } },
    }),
    ...Object.entries(refusals).map(([status, description]) =>
      ApiResponse({
        status: Number(status),
        description,
        content: { 'application/problem+json': { schema: problemSchema } },
      }),
    ),
  );
}
