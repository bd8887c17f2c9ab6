import { createParamDecorator, type ExecutionContext, type Type } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { getMetadataStorage, validateSync, ValidationTypes } from 'class-validator';
import { ProblemError } from './problem';

/**
 * The body of a request as an envelope of this class. Not a pipe: each parameter that has one costs four promises.
 * @throws ProblemError that lists everything that is wrong
 */
export function Envelope<T extends object>(envelope: Type<T>): ParameterDecorator {
  const reader = new EnvelopeReader(envelope);
  return createParamDecorator((_: unknown, context: ExecutionContext) =>
    reader.read(context.switchToHttp().getRequest<FastifyRequest>().body),
  )();
}

/**
 * Validates the outermost members of a body against a class, and leaves what is below them as it is: transforming and
 * validating thousands of alerts by decorators costs a hundred times what reading them does, and blocks the event loop.
 *
 * Of several validators of a member the one nearest to it is told of: that comes first which the others take for granted.
 *
 * The library's validators are asked here, one after the other, and the library itself only for its messages about a body
 * that one of them refuses: its own way from a decorator to its validator costs 30 times the validators.
 */
export class EnvelopeReader<T extends object> {
  private readonly members: readonly Member[];

  constructor(private readonly envelope: Type<T>) {
    this.members = membersOf(envelope);
  }

  /** @throws ProblemError that lists everything that is wrong */
  read(body: unknown): T {
    if (typeof body !== 'object' || body === null || Array.isArray(body))
      throw invalid(['the body must be a JSON object']);
    const envelope = new this.envelope() as T & Record<string, unknown>;
    let isValid = true;
    for (const { name, isOptional, validators } of this.members) {
      if (Object.hasOwn(body, name)) (envelope as Record<string, unknown>)[name] = body[name as keyof typeof body];
      const value = envelope[name];
      if (isOptional && (value === undefined || value === null)) continue;
      isValid &&= validators.every((validate) => validate(value, envelope));
    }
    if (isValid) return envelope;
    const errors = validateSync(envelope, { stopAtFirstError: true, forbidUnknownValues: false });
    if (errors.length > 0) throw invalid(errors.flatMap(({ constraints }) => Object.values(constraints ?? {})));
    return envelope;
  }
}

interface Member {
  readonly name: string;
  readonly isOptional: boolean;
  readonly validators: readonly ((value: unknown, object: object) => boolean)[];
}

/** What the decorators of a class say of each of its members. */
function membersOf(envelope: Type): Member[] {
  const storage = getMetadataStorage();
  const metadata = storage.getTargetValidationMetadatas(envelope, '', false, false);
  return [...new Set(metadata.map(({ propertyName }) => propertyName))].map((name) => {
    const ofMember = metadata.filter(({ propertyName }) => propertyName === name);
    const validators = ofMember
      .filter(({ type }) => type === ValidationTypes.CUSTOM_VALIDATION)
      .flatMap(({ constraintCls, constraints }) =>
        storage.getTargetValidatorConstraints(constraintCls).map(({ instance, name: constraint }) => {
          const about = { targetName: envelope.name, property: name, constraints, constraint };
          return (value: unknown, object: object) => instance.validate(value, { ...about, value, object }) === true;
        }),
      );
    return {
      name,
      isOptional: ofMember.some(({ type }) => type === ValidationTypes.CONDITIONAL_VALIDATION),
      validators,
    };
  });
}

function invalid(problems: readonly string[]): ProblemError {
  return new ProblemError('validation-error', `Signal validation failed: ${problems[0] ?? 'invalid body'}`, {
    details: { validation_errors: problems },
  });
}
