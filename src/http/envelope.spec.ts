import { ArrayNotEmpty, IsArray, IsIn, IsOptional } from 'class-validator';
import { EnvelopeReader } from './envelope';
import { ProblemError } from './problem';

class Envelope {
  @IsOptional()
  @IsIn(['4'], { message: 'version must be "4"' })
  version?: string;

  // The one that stands nearest is asked first.
  @ArrayNotEmpty({ message: 'alerts must hold at least one' })
  @IsArray({ message: 'alerts must be a list' })
  alerts!: readonly unknown[];
}

const reader = new EnvelopeReader(Envelope);
const problemOf = (body: unknown): ProblemError => {
  try {
    reader.read(body);
  } catch (error) {
    if (error instanceof ProblemError) return error;
  }
  throw new Error('expected a problem');
};

describe('EnvelopeReader', () => {
  it('takes a body and leaves what is below its members as it is', () => {
    const alerts = [{ labels: { alertname: 'X' } }, null, 7];
    const envelope = reader.read({ version: '4', alerts });
    expect(envelope).toBeInstanceOf(Envelope);
    expect(envelope).toEqual({ version: '4', alerts });
    expect(envelope.alerts).toBe(alerts);
  });

  it('leaves out members that the class does not have', () => {
    const body = JSON.parse(
      '{"alerts":[1],"notification_reason":"x","__proto__":{"polluted":1},"constructor":2}',
    ) as unknown;
    expect(reader.read(body)).toEqual({ alerts: [1] });
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('takes null for a member that is optional', () => {
    expect(reader.read({ version: null, alerts: [1] }).alerts).toEqual([1]);
  });

  it.each([undefined, null, 'text', 7, true, []])('refuses %j: a body is an object', (body) => {
    expect(problemOf(body)).toMatchObject({
      kind: 'validation-error',
      message: 'Signal validation failed: the body must be a JSON object',
      details: { validation_errors: ['the body must be a JSON object'] },
    });
  });

  it.each([{}, { alerts: null }, { alerts: {} }, { alerts: 'text' }, { alerts: 7 }])('refuses %j', (body) => {
    expect(problemOf(body).details).toEqual({ validation_errors: ['alerts must be a list'] });
  });

  it('refuses an empty list', () => {
    expect(problemOf({ alerts: [] }).message).toBe('Signal validation failed: alerts must hold at least one');
  });

  it.each(['3', '5', 4, {}])('refuses version %j', (version) => {
    expect(problemOf({ version, alerts: [1] }).details).toEqual({ validation_errors: ['version must be "4"'] });
  });

  it('says everything that is wrong, not the first thing only', () => {
    expect(problemOf({ version: '3' }).details).toEqual({
      validation_errors: ['version must be "4"', 'alerts must be a list'],
    });
  });

  it('does not take a member for its own that it only inherits', () => {
    expect(problemOf(Object.create({ alerts: [1] })).kind).toBe('validation-error');
  });
});
