import type { Type } from '@nestjs/common';
import type { SourceSettings } from '../config/source-settings';

/** A source of signals, as `sources.ts` lists it. */
export interface Source<Settings extends SourceSettings = SourceSettings> {
  /** What it is called in the configuration reference. */
  readonly title: string;
  /** Its section of the configuration. */
  readonly settings: new () => Settings;
  /** Its controller and what that needs. Loaded only when the source is enabled. */
  readonly module: () => Promise<Type>;
}

/** @param source which settings it has is known to the compiler */
export function defineSource<Settings extends SourceSettings>(source: Source<Settings>): Source<Settings> {
  return source;
}
