// Which message types are not simply "an object of fields" in JSON or in the plain form.

import type { PlainMessage } from './plain.ts';
import type { FieldDescriptor, MessageDescriptor } from './root.ts';

const wrapper = /^google\.protobuf\.(Bool|String|Bytes|Double|Float|U?Int(32|64))Value$/;
const noRecord = /^google\.protobuf\.(Any|Struct|Value|ListValue)$/;
const bare = /^google\.protobuf\.(Duration|Timestamp|FieldMask)$/;

/** The `value` field of a wrapper type (UInt32Value...), null for all other types. */
export function wrappedField(type: MessageDescriptor): FieldDescriptor | null {
  return wrapper.test(type.fullName) ? (type.byName.get('value') ?? null) : null;
}

/** Types whose plain form is not a record of their fields. */
export function isNoRecord(typeName: string): boolean {
  return noRecord.test(typeName);
}

/** Types that ProtoJSON puts into `value` beside `@type`. */
export function hasBareJson(typeName: string): boolean {
  return noRecord.test(typeName) || bare.test(typeName) || wrapper.test(typeName);
}

/** Both messages that carry another message as JSON. They have the same fields. */
export function isTypedStruct(fullName: string): boolean {
  return fullName === 'xds.type.v3.TypedStruct' || fullName === 'udpa.type.v1.TypedStruct';
}

/** DecodedAny.message of a decoded content: always a record, so bare JSON stands in `value`. */
export function anyContent(typeName: string, content: unknown): PlainMessage {
  // All other types are read as records.
  return isNoRecord(typeName) ? { value: content } : (content as PlainMessage);
}
