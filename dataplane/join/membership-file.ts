// What a sidecar remembers of the mesh that it joined, so that it can start again while the control plane is away.
// Sealed like its last good resources (common/sealed-file.ts); dataplane/main.ts makes one, the join client uses it.

import { errorText } from '../../common/coded-error.ts';
import type { Logger } from '../../common/logger.ts';
import { SealedDirectory } from '../../common/sealed-file.ts';
import { isRecord } from '../../proto/plain.ts';

const VERSION = 1;
/** A root certificate and a few names. */
const MAX_BYTES = 256 * 1024;

export interface Membership {
  readonly nodeId: string;
  readonly trustDomain: string;
  /** The mesh's root, PEM. Whoever uses it compares it with the token's fingerprint. */
  readonly root: string;
  readonly keepaliveMs: number;
}

export interface MembershipStore {
  /** Null = there is none of use. Never rejects. */
  load(instance: string): Promise<Membership | null>;
  /** Never rejects. */
  save(instance: string, membership: Membership): Promise<void>;
}

/** Keeps it in `directory`, a file for each instance. */
export function membershipFiles(directory: string, logger: Logger): MembershipStore {
  const open = () =>
    SealedDirectory.open(directory, (reason) => {
      logger.error({ reason }, 'the key of the state directory was replaced');
    });
  const nameOf = (instance: string) => `membership-${instance}`;
  return {
    load: async (instance) => {
      try {
        const read = await (await open()).read(nameOf(instance), MAX_BYTES);
        if (read.ok) return decode(read.value);
        if (read.errors === 'absent') return null;
        logger.error({ reason: read.errors.reason }, 'the membership on disk is of no use');
      } catch (thrown) {
        logger.error({ directory, error: errorText(thrown) }, 'cannot use the state directory');
      }
      return null;
    },
    save: async (instance, membership) => {
      try {
        const content = Buffer.from(JSON.stringify({ version: VERSION, ...membership }));
        await (await open()).write(nameOf(instance), content);
      } catch (thrown) {
        logger.error({ directory, error: errorText(thrown) }, 'cannot keep the membership');
      }
    },
  };
}

function decode(content: Buffer): Membership | null {
  const read: unknown = JSON.parse(content.toString());
  if (!isRecord(read) || read['version'] !== VERSION) return null;
  const { nodeId, trustDomain, root, keepaliveMs } = read;
  if (typeof nodeId !== 'string' || typeof trustDomain !== 'string') return null;
  if (typeof root !== 'string' || typeof keepaliveMs !== 'number') return null;
  return { nodeId, trustDomain, root, keepaliveMs };
}
