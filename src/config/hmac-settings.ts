import { Duration, TextLike } from './setting';

const headerRange = 'the name of a header: letters, digits and -';

/** How a source's bodies are signed, where it can sign them. */
export class HmacSettings {
  @TextLike(
    /^$|^.{16}/s,
    'empty, or at least 16 characters',
    'The secret that its webhooks are signed with. Empty: signatures are not looked at.',
    { secret: true },
  )
  secret = '';

  @TextLike(/^[A-Za-z0-9-]{1,64}$/, headerRange, 'The header that carries the signature.')
  header: string;

  @TextLike(
    /^[A-Za-z0-9-]{0,64}$/,
    `empty, or ${headerRange}`,
    'The header that carries the time of signing, when the sender is set to send one; it must be there then.',
  )
  timestampHeader = '';

  @Duration(
    '1s',
    '1h',
    'A signature that is older than this, or as much ahead, is refused. Without timestamp_header nobody can tell.',
  )
  replayWindow = 300_000;

  @TextLike(
    /^[\x21-\x7e]{1,253}$/,
    'a name without spaces',
    'The user of Kubernetes that a sender is who has a signature and no token: RBAC says for which namespaces it may send.',
  )
  username: string;

  constructor(header: string, username: string) {
    this.header = header;
    this.username = username;
  }
}
