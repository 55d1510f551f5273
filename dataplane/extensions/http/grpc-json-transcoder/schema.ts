// Types of one transcoder in a worker, built from data.ts the first time that somebody asks for one. Used by
// both directions of the codec; immutable once built.

import { type EnumData, type FieldData, FieldKind, type MessageData } from './data.ts';

/** Messages whose JSON is not an object of their fields. */
export const WellKnown = {
  None: 0,
  Any: 1,
  Timestamp: 2,
  Duration: 3,
  FieldMask: 4,
  Struct: 5,
  Value: 6,
  ListValue: 7,
  /** BoolValue, Int64Value...: the JSON is that of field 1. */
  Wrapper: 8,
} as const;
export type WellKnown = (typeof WellKnown)[keyof typeof WellKnown];

const wellKnownNames: ReadonlyMap<string, WellKnown> = new Map<string, WellKnown>([
  ['Any', WellKnown.Any],
  ['Timestamp', WellKnown.Timestamp],
  ['Duration', WellKnown.Duration],
  ['FieldMask', WellKnown.FieldMask],
  ['Struct', WellKnown.Struct],
  ['Value', WellKnown.Value],
  ['ListValue', WellKnown.ListValue],
  ...['Double', 'Float', 'Int64', 'UInt64', 'Int32', 'UInt32', 'Bool', 'String', 'Bytes'].map(
    (name): [string, WellKnown] => [`${name}Value`, WellKnown.Wrapper],
  ),
]);
const GOOGLE = 'google.protobuf.';

export class EnumSchema {
  readonly name: string;
  readonly numberOf: ReadonlyMap<string, number>;
  /** The first name of a number. */
  readonly nameOf: ReadonlyMap<number, string>;
  /** google.protobuf.NullValue: its JSON is null. */
  readonly isNull: boolean;

  constructor({ name, values }: EnumData) {
    this.name = name;
    this.numberOf = new Map(values);
    const nameOf = new Map<number, string>();
    for (const [text, number] of values) if (!nameOf.has(number)) nameOf.set(number, text);
    this.nameOf = nameOf;
    this.isNull = name === 'google.protobuf.NullValue';
  }
}

export class FieldSchema {
  readonly number: number;
  readonly name: string;
  readonly jsonName: string;
  readonly kind: FieldKind;
  /** Place of its message or enum in the schema; -1 for scalars. */
  readonly type: number;
  readonly isRepeated: boolean;
  /** Place of its oneof in the message; -1 = in none. */
  readonly oneof: number;
  readonly oneofName: string;
  readonly hasPresence: boolean;
  /** A repeated field of key and value. */
  readonly isMap: boolean;
  readonly isMessage: boolean;
  readonly wireType: number;
  /** The name in JSON with quotes and colon, as bytes. */
  readonly jsonKey: Buffer;

  constructor(data: FieldData, writtenName: string, oneof: number, isMap: boolean) {
    this.number = data.number;
    this.name = data.name;
    this.jsonName = data.jsonName;
    this.kind = data.kind;
    this.type = data.type;
    this.isRepeated = data.isRepeated;
    this.oneof = oneof;
    this.oneofName = data.oneof;
    this.hasPresence = data.hasPresence;
    this.isMap = isMap;
    this.isMessage = data.kind === FieldKind.Message || data.kind === FieldKind.Group;
    this.wireType = wireTypeOf(data.kind);
    this.jsonKey = Buffer.from(`${JSON.stringify(writtenName)}:`);
  }
}

export class MessageSchema {
  readonly name: string;
  readonly wellKnown: WellKnown;
  /** In order of their numbers. */
  readonly fields: readonly FieldSchema[];
  readonly byNumber: ReadonlyMap<number, FieldSchema>;
  /** By both names. */
  readonly byName: ReadonlyMap<string, FieldSchema>;

  constructor(data: MessageData, messages: readonly MessageData[], preserveNames: boolean) {
    this.name = data.name;
    this.wellKnown = data.name.startsWith(GOOGLE)
      ? (wellKnownNames.get(data.name.slice(GOOGLE.length)) ?? WellKnown.None)
      : WellKnown.None;
    const oneofs = [...new Set(data.fields.map(({ oneof }) => oneof))].filter(
      (name) => name !== '',
    );
    const byName = new Map<string, FieldSchema>();
    this.fields = data.fields.map((field) => {
      const isMap = field.isRepeated && messages[field.type]?.isMapEntry === true;
      const isMapField = isMap && field.kind === FieldKind.Message;
      const writtenName = preserveNames ? field.name : field.jsonName;
      const schema = new FieldSchema(field, writtenName, oneofs.indexOf(field.oneof), isMapField);
      byName.set(field.name, schema);
      return schema;
    });
    for (const [i, { jsonName }] of data.fields.entries()) byName.set(jsonName, this.fields[i]!);
    this.byName = byName;
    this.byNumber = new Map(this.fields.map((field) => [field.number, field]));
  }
}

/** All types of one transcoder. */
export class Schema {
  readonly #data: readonly MessageData[];
  readonly #enumData: readonly EnumData[];
  readonly #preserveNames: boolean;
  readonly #messages: (MessageSchema | null)[];
  readonly #enums: (EnumSchema | null)[];
  /** Made when the first Any is met. */
  #indexByName: Map<string, number> | null = null;

  constructor(
    messages: readonly MessageData[],
    enums: readonly EnumData[],
    preserveNames: boolean,
  ) {
    this.#data = messages;
    this.#enumData = enums;
    this.#preserveNames = preserveNames;
    this.#messages = messages.map(() => null);
    this.#enums = enums.map(() => null);
  }

  message(index: number): MessageSchema {
    let schema = this.#messages[index]!;
    if (schema === null) {
      schema = new MessageSchema(this.#data[index]!, this.#data, this.#preserveNames);
      this.#messages[index] = schema;
    }
    return schema;
  }

  enumType(index: number): EnumSchema {
    let schema = this.#enums[index]!;
    if (schema === null) {
      schema = new EnumSchema(this.#enumData[index]!);
      this.#enums[index] = schema;
    }
    return schema;
  }

  /** The type of an Any, by the name in its type_url; null = not in the descriptor set. */
  byName(name: string): MessageSchema | null {
    this.#indexByName ??= new Map(this.#data.map((message, i) => [message.name, i]));
    const index = this.#indexByName.get(name);
    return index === undefined ? null : this.message(index);
  }
}

/** Wire types: 0 varint, 1 eight bytes, 2 length and bytes, 3 group, 5 four bytes. */
function wireTypeOf(kind: FieldKind): number {
  switch (kind) {
    case FieldKind.Double:
    case FieldKind.Fixed64:
    case FieldKind.Sfixed64:
      return 1;
    case FieldKind.Float:
    case FieldKind.Fixed32:
    case FieldKind.Sfixed32:
      return 5;
    case FieldKind.String:
    case FieldKind.Bytes:
    case FieldKind.Message:
      return 2;
    case FieldKind.Group:
      return 3;
    default:
      return 0;
  }
}
