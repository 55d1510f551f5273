// What a sidecar keeps of its last good configuration, and its bytes. Knows nothing of files or keys: keeper.ts does.
//
//   content  | length of the head, 4 bytes | head, JSON | resources' bytes, one behind the other, in the head's order |

import { err, ok, type Result } from '../../../common/result.ts';
import { isRecord } from '../../../proto/plain.ts';
import type { ResourceKind } from '../../api/resource-compiler.ts';
import { adsTypeOrder } from '../../api/resource-compiler.ts';

/** Counts up when the head changes its meaning. */
const VERSION = 1;
const LENGTH_BYTES = 4;

/** Whose configuration it is: another sidecar's, or another control plane's, is of no use. */
export interface SnapshotIdentity {
  readonly nodeId: string;
  readonly nodeCluster: string;
  /** What names the control plane: its targets, or the fingerprint of the mesh's root. */
  readonly controlPlane: string;
}

export interface SavedResource {
  readonly kind: ResourceKind;
  /** Which of several config sources it came from. */
  readonly source: string;
  readonly name: string;
  /** As the server named it; '' = no server would know it. */
  readonly version: string;
  /** Wall clock of its acceptance, ms. */
  readonly updatedAtMs: number;
  readonly bytes: Uint8Array;
}

export interface Snapshot {
  readonly identity: SnapshotIdentity;
  /** Wall clock, ms. */
  readonly savedAtMs: number;
  readonly resources: readonly SavedResource[];
}

interface Head {
  readonly version: number;
  readonly identity: SnapshotIdentity;
  readonly savedAtMs: number;
  readonly resources: readonly (Omit<SavedResource, 'bytes'> & { readonly length: number })[];
}

export function encodeSnapshot({ identity, savedAtMs, resources }: Snapshot): Buffer {
  const head: Head = {
    version: VERSION,
    identity,
    savedAtMs,
    resources: resources.map(({ bytes, ...rest }) => ({ ...rest, length: bytes.length })),
  };
  const json = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(json.length);
  return Buffer.concat([length, json, ...resources.map(({ bytes }) => bytes)]);
}

/** The bytes of the resources are views of `content`. An error is fit for the log. */
export function decodeSnapshot(content: Buffer): Result<Snapshot, string> {
  if (content.length < LENGTH_BYTES) return err('it is cut off');
  const end = LENGTH_BYTES + content.readUInt32BE(0);
  const head = readHead(content.subarray(LENGTH_BYTES, end));
  if (!head.ok) return head;
  const { identity, savedAtMs } = head.value;
  const resources: SavedResource[] = [];
  let at = end;
  for (const { length, ...rest } of head.value.resources) {
    const bytes = content.subarray(at, at + length);
    if (bytes.length !== length) return err('it is cut off');
    at += length;
    // A kind of another release: whoever needs it asks the server.
    if (adsTypeOrder.includes(rest.kind)) resources.push({ ...rest, bytes });
  }
  return ok({ identity, savedAtMs, resources });
}

function readHead(json: Buffer): Result<Head, string> {
  let head: unknown;
  try {
    head = JSON.parse(json.toString());
  } catch {
    return err('its head is no JSON');
  }
  if (!isRecord(head)) return err('its head is no object');
  if (head['version'] !== VERSION) {
    return err(`it has version ${String(head['version'])}, this release reads ${VERSION}`);
  }
  // It was sealed by us, in this version: its shape is that of `Head`.
  return ok(head as unknown as Head);
}

export function isSameIdentity(a: SnapshotIdentity, b: SnapshotIdentity): boolean {
  return (
    a.nodeId === b.nodeId && a.nodeCluster === b.nodeCluster && a.controlPlane === b.controlPlane
  );
}
