import { problem, problemCatalogue, ProblemError, retryAfterOf, type ProblemKind } from './problem';

const kinds = Object.keys(problemCatalogue) as ProblemKind[];

describe('problem', () => {
  it('has the members of RFC 9457 and those of the original document', () => {
    expect(problem('validation-error', 'what is wrong', { validation_errors: ['a', 'b'] })).toEqual({
      type: 'https://kubernaut.io/problems/validation-error',
      title: 'Bad Request',
      status: 400,
      detail: 'what is wrong',
      error: 'what is wrong',
      details: { validation_errors: ['a', 'b'] },
    });
    expect(problem('unauthenticated', 'no')).not.toHaveProperty('details');
  });

  it.each(kinds)('has an HTTP error status and a title for %s', (kind) => {
    const { status, title } = problem(kind, '');
    expect(status).toBeGreaterThanOrEqual(400);
    expect(title).not.toBe('');
  });

  it('asks for another try after every 429 and 503, and after nothing else', () => {
    const asking = kinds.filter((kind) => retryAfterOf(kind) !== undefined);
    expect(asking).toEqual(kinds.filter((kind) => [429, 503].includes(problemCatalogue[kind].status)));
    expect(asking.every((kind) => Number(retryAfterOf(kind)) >= 1)).toBe(true);
  });
});

describe('ProblemError', () => {
  it.each([
    [new ProblemError('not-found', 'x'), {}],
    [new ProblemError('unavailable', 'x'), { 'retry-after': '5' }],
    [new ProblemError('rate-limited', 'x', { retryAfterSeconds: 7 }), { 'retry-after': '7' }],
    [new ProblemError('method-not-allowed', 'x', { headers: { allow: 'POST' } }), { allow: 'POST' }],
  ])('has the headers of its answer (%#)', (error, headers) => {
    expect(error.headers).toEqual(headers);
  });

  it('keeps its cause for the log', () => {
    const cause = new Error('dial tcp');
    expect(new ProblemError('unavailable', 'x', { cause, details: { a: 1 } })).toMatchObject({
      cause,
      details: { a: 1 },
    });
  });
});
