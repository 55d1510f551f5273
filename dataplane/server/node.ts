// What streams to management servers say of this process.

import type { NodeProto } from '../../proto/gen/types.ts';
import { isRecord } from '../../proto/plain.ts';
import type { BootstrapConfig } from '../api/config/bootstrap.ts';

/** core.v3.Node of this process. */
export function nodeOf({ node, message }: BootstrapConfig): NodeProto {
  const { region, zone, subZone } = node.locality;
  // What the user said besides (extensions are ours to name) comes along as it is.
  const said = isRecord(message['node']) ? message['node'] : {};
  return {
    ...said,
    id: node.id,
    cluster: node.cluster,
    // A Struct in plain form is any JSON object; the config room read it from one.
    metadata: node.metadata as NonNullable<NodeProto['metadata']>,
    locality: { region, zone, sub_zone: subZone },
    user_agent_name: 'remora',
    user_agent_version: process.version,
  };
}
