// Descriptors -> the tables of data.ts: every message and enum of a set, since an Any in a response may hold
// any of them. Called by config.ts in the main thread.

import type {
  EnumProto,
  FeaturesProto,
  FieldProto,
  FileProto,
  MessageProto,
} from '../../../../../proto/descriptor-set.ts';
import { type EnumData, type FieldData, FieldKind, type MessageData } from '../data.ts';

const LABEL_REPEATED = 3;
const IMPLICIT = 2;
const DELIMITED = 2;

/** What a file, message or field inherits (editions), or what its syntax says. */
interface Features {
  readonly hasPresence: boolean;
  readonly isDelimited: boolean;
}

interface FoundMessage {
  readonly name: string;
  readonly proto: MessageProto;
  readonly features: Features;
}

/** Every type of a set by its full name, without leading dot. */
export class TypeTable {
  readonly messages: MessageData[] = [];
  readonly enums: EnumData[] = [];
  /** Types that fields name and that are nowhere: the set lacks a file. */
  readonly missing = new Set<string>();
  readonly #messageIndex = new Map<string, number>();
  readonly #enumIndex = new Map<string, number>();
  readonly #found: FoundMessage[] = [];

  constructor(files: readonly FileProto[]) {
    for (const file of files) {
      const features = inherit(file.options?.features, {
        hasPresence: file.syntax !== 'proto3',
        isDelimited: false,
      });
      const prefix = file.package === undefined ? '' : `${file.package}.`;
      for (const proto of file.enum_type ?? []) this.#addEnum(prefix, proto);
      for (const proto of file.message_type ?? []) this.#addMessage(prefix, proto, features);
    }
    for (const found of this.#found) this.messages.push(this.#compile(found));
  }

  /** Place in `messages`, or -1. A leading dot does not matter. */
  messageIndex(name: string): number {
    return this.#messageIndex.get(withoutDot(name)) ?? -1;
  }

  #addEnum(prefix: string, { name = '', value = [] }: EnumProto): void {
    const fullName = prefix + name;
    if (this.#enumIndex.has(fullName)) return;
    this.#enumIndex.set(fullName, this.enums.length);
    const values = value.map((item) => [item.name ?? '', item.number ?? 0] as const);
    this.enums.push({ name: fullName, values });
  }

  #addMessage(prefix: string, proto: MessageProto, inherited: Features): void {
    const name = prefix + (proto.name ?? '');
    // The same file twice is no harm.
    if (this.#messageIndex.has(name)) return;
    const features = inherit(proto.options?.features, inherited);
    this.#messageIndex.set(name, this.#found.length);
    this.#found.push({ name, proto, features });
    for (const nested of proto.enum_type ?? []) this.#addEnum(`${name}.`, nested);
    for (const nested of proto.nested_type ?? []) this.#addMessage(`${name}.`, nested, features);
  }

  #compile({ name, proto, features }: FoundMessage): MessageData {
    const fields = (proto.field ?? []).map((field) => this.#field(field, proto, features));
    fields.sort((a, b) => a.number - b.number);
    return { name, fields, isMapEntry: proto.options?.map_entry ?? false };
  }

  #field(proto: FieldProto, message: MessageProto, inherited: Features): FieldData {
    const name = proto.name ?? '';
    const features = inherit(proto.options?.features, inherited);
    const isOptional = proto.proto3_optional === true;
    const isRepeated = proto.label === LABEL_REPEATED;
    const declared = (proto.type ?? FieldKind.String) as FieldKind; // its numbers are protoc's
    const kind =
      declared === FieldKind.Message && features.isDelimited ? FieldKind.Group : declared;
    const isMessage = kind === FieldKind.Message || kind === FieldKind.Group;
    const oneof =
      proto.oneof_index === undefined || isOptional
        ? ''
        : (message.oneof_decl?.[proto.oneof_index]?.name ?? '');
    return {
      number: proto.number ?? 0,
      name,
      jsonName: proto.json_name ?? lowerCamelCase(name),
      kind,
      type: isMessage || kind === FieldKind.Enum ? this.#typeOf(proto.type_name, isMessage) : -1,
      isRepeated,
      oneof,
      hasPresence: !isRepeated && (isMessage || isOptional || oneof !== '' || features.hasPresence),
    };
  }

  #typeOf(typeName: string | undefined, isMessage: boolean): number {
    const name = withoutDot(typeName ?? '');
    const index = (isMessage ? this.#messageIndex : this.#enumIndex).get(name);
    if (index === undefined) this.missing.add(name);
    return index ?? -1;
  }
}

function inherit(own: FeaturesProto | undefined, inherited: Features): Features {
  if (own === undefined) return inherited;
  return {
    hasPresence:
      own.field_presence === undefined ? inherited.hasPresence : own.field_presence !== IMPLICIT,
    isDelimited:
      own.message_encoding === undefined
        ? inherited.isDelimited
        : own.message_encoding === DELIMITED,
  };
}

function withoutDot(name: string): string {
  return name.startsWith('.') ? name.slice(1) : name;
}

function lowerCamelCase(name: string): string {
  return name.replace(/_+(.?)/g, (_match, letter: string) => letter.toUpperCase());
}
