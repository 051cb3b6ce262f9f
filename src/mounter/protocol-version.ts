// Which fields of requests a mounter of which version heeds. A mounter drops what it does not know (proto3), and is often older than
// who calls it: an upgrade leaves mounters running. Knows no verb.
import { DriverError } from '../errors.ts';

/**
 * `NodeState.protocol_version` of this mounter. Raised by one with every field of a request that changes what is done, where leaving
 * it out would do something else than was asked for. Mounters from before there were versions say 0.
 */
export const protocolVersion = 1;

/** The first version that heeds what some callers count on. */
export const heededSince = {
  /** BindRequest.only_safely */
  onlySafely: 1,
} as const satisfies Readonly<Record<string, number>>;

/**
 * Refuses to ask a mounter for what it would leave out.
 * @param state of the mounter that is to be asked
 * @param what would not be done as it was asked for, as the beginning of a sentence
 * @throws DriverError `mounter-outdated`
 */
export function requireHeeded(
  feature: keyof typeof heededSince,
  { protocolVersion: found }: { readonly protocolVersion: number },
  what: string,
): void {
  const needed = heededSince[feature];
  if (found >= needed) return;
  throw new DriverError(
    'mounter-outdated',
    `${what} needs a mounter that speaks version ${needed} of the protocol, and that of this node speaks ${found}: it is older than the ` +
      'rest of the driver. Replace its pod, as docs/upgrade.md says (kubectl delete pod -l app.kubernetes.io/component=mounter ' +
      '--field-selector spec.nodeName=NODE)',
    { details: { needed, found } },
  );
}
