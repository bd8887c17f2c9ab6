import type { HmacSettings } from './hmac-settings';
import { Flag, OneOf, TextLike } from './setting';
import { path, pathRange } from './paths';

/** What makes two signals one incident. `Only`: whatever they are called. */
export const identities = ['object', 'owner', 'object_only', 'owner_only'] as const;
export type Identity = (typeof identities)[number];

/** What every source of signals can be told; a source's own settings come on top. */
export abstract class SourceSettings {
  @Flag('Whether its signals are taken. If not, its path is not served.')
  enabled = false;

  @TextLike(path, pathRange, 'Where its signals are posted.')
  abstract path: string;

  @OneOf(
    ['inherit', ...identities],
    'What makes two of its signals one incident; inherit: as fingerprint.identity says.',
  )
  identity: 'inherit' | Identity = 'inherit';

  /** Of a source whose sender can sign what it posts. */
  hmac?: HmacSettings;
}
