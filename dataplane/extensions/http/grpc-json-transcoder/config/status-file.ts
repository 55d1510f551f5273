// google.rpc.Status and google.protobuf.Any as descriptors, for convert_grpc_status with a set that lacks
// them: the error of a call is one, whatever its service imports. Used by config.ts.

import type { FileProto } from '../../../../../proto/descriptor-set.ts';
import { FieldKind } from '../data.ts';

const LABEL_REPEATED = 3;

/** Goes behind a user's files: of two types with one name the first counts. */
export const statusFile: FileProto = {
  syntax: 'proto3',
  package: 'google',
  message_type: [
    {
      name: 'rpc.Status',
      field: [
        { name: 'code', number: 1, type: FieldKind.Int32 },
        { name: 'message', number: 2, type: FieldKind.String },
        {
          name: 'details',
          number: 3,
          type: FieldKind.Message,
          label: LABEL_REPEATED,
          type_name: '.google.protobuf.Any',
        },
      ],
    },
    {
      name: 'protobuf.Any',
      field: [
        { name: 'type_url', number: 1, type: FieldKind.String },
        { name: 'value', number: 2, type: FieldKind.Bytes },
      ],
    },
  ],
};
