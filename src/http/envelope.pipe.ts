import type { PipeTransform, Type } from '@nestjs/common';
import { getMetadataStorage, validateSync } from 'class-validator';
import { ProblemError } from './problem';

/**
 * Validates the outermost members of a body against a class, and leaves what is below them as it is: transforming and
 * validating thousands of alerts by decorators costs a hundred times what reading them does, and blocks the event loop.
 */
export class EnvelopePipe<T extends object> implements PipeTransform<unknown, T> {
  private readonly members: readonly string[];

  constructor(private readonly envelope: Type<T>) {
    const metadata = getMetadataStorage().getTargetValidationMetadatas(envelope, '', false, false);
    this.members = [...new Set(metadata.map(({ propertyName }) => propertyName))];
  }

  /** @throws ProblemError that lists everything that is wrong */
  transform(body: unknown): T {
    if (typeof body !== 'object' || body === null || Array.isArray(body))
      throw invalid(['the body must be a JSON object']);
    const envelope = new this.envelope();
    for (const member of this.members) {
      if (Object.hasOwn(body, member)) Object.assign(envelope, { [member]: body[member as keyof typeof body] });
    }
    const errors = validateSync(envelope, { stopAtFirstError: true, forbidUnknownValues: false });
    if (errors.length > 0) throw invalid(errors.flatMap(({ constraints }) => Object.values(constraints ?? {})));
    return envelope;
  }
}

function invalid(problems: readonly string[]): ProblemError {
  return new ProblemError('validation-error', `Signal validation failed: ${problems[0] ?? 'invalid body'}`, {
    details: { validation_errors: problems },
  });
}
