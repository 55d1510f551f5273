// Compiled envoy.filters.http.grpc_json_transcoder (extensions.filters.http.grpc_json_transcoder.v3.
// GrpcJsonTranscoder, also per route): config.ts makes it out of a descriptor set, the worker's files read it.
// Types are numbers here: places in `messages` and `enums`.

/** What a field holds: the numbers of google.protobuf.FieldDescriptorProto.Type. */
export const FieldKind = {
  Double: 1,
  Float: 2,
  Int64: 3,
  Uint64: 4,
  Int32: 5,
  Fixed64: 6,
  Fixed32: 7,
  Bool: 8,
  String: 9,
  Group: 10,
  Message: 11,
  Bytes: 12,
  Uint32: 13,
  Enum: 14,
  Sfixed32: 15,
  Sfixed64: 16,
  Sint32: 17,
  Sint64: 18,
} as const;
export type FieldKind = (typeof FieldKind)[keyof typeof FieldKind];

export interface FieldData {
  readonly number: number;
  /** As in the .proto file. */
  readonly name: string;
  /** lowerCamelCase, or what `json_name` says. */
  readonly jsonName: string;
  readonly kind: FieldKind;
  /** Place of its message or enum; -1 for scalars. */
  readonly type: number;
  readonly isRepeated: boolean;
  /** Its oneof; '' = in none (proto3 optional is none). */
  readonly oneof: string;
  /** "Set to the default" differs from "absent". */
  readonly hasPresence: boolean;
}

export interface MessageData {
  /** Without leading dot: `google.protobuf.Any`. */
  readonly name: string;
  /** In order of their numbers. */
  readonly fields: readonly FieldData[];
  /** Key (1) and value (2) of a map field. */
  readonly isMapEntry: boolean;
}

export interface EnumData {
  readonly name: string;
  /** In the order of the .proto file: of aliases the first name is the one that is written. */
  readonly values: readonly (readonly [name: string, number: number])[];
}

/** A variable of a path template: which segments it takes. */
export interface PathVariableData {
  readonly fieldPath: readonly string[];
  readonly start: number;
  /** Behind its last segment; negative = from the end of the path, -1 = all of it (`**`). */
  readonly end: number;
}

/** One way to ask for a method over HTTP. */
export interface HttpBindingData {
  /** Place in `methods`. */
  readonly method: number;
  readonly httpMethod: string;
  /** Literals, `*` and `**`. */
  readonly segments: readonly string[];
  /** Behind the colon; '' = none. */
  readonly verb: string;
  readonly variables: readonly PathVariableData[];
  /** Where the body goes, by field names; empty = it is the whole message. */
  readonly bodyPath: readonly string[];
  /** The body is a google.api.HttpBody: taken as it comes. */
  readonly isHttpBodyRequest: boolean;
  /** Where a google.api.HttpBody lies in the response, by field numbers; null = the response is JSON. */
  readonly httpBodyResponsePath: readonly number[] | null;
}

export interface MethodData {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly input: number;
  readonly output: number;
  readonly isClientStreaming: boolean;
  readonly isServerStreaming: boolean;
}

/** How much of a variable that takes several segments is percent-decoded. */
export type UrlUnescapeSpec =
  | 'ALL_CHARACTERS_EXCEPT_RESERVED'
  | 'ALL_CHARACTERS_EXCEPT_SLASH'
  | 'ALL_CHARACTERS';

export interface PrintOptionsData {
  readonly addWhitespace: boolean;
  readonly alwaysPrintPrimitiveFields: boolean;
  readonly alwaysPrintEnumsAsInts: boolean;
  readonly preserveProtoFieldNames: boolean;
  /** How the messages of a stream are set apart. */
  readonly streamStyle: 'array' | 'newline' | 'sse';
}

export interface GrpcJsonTranscoderData {
  readonly messages: readonly MessageData[];
  readonly enums: readonly EnumData[];
  readonly methods: readonly MethodData[];
  /** Empty = the filter does nothing. */
  readonly bindings: readonly HttpBindingData[];
  readonly isDisabled: boolean;
  readonly print: PrintOptionsData;
  readonly matchIncomingRequestRoute: boolean;
  readonly ignoredQueryParameters: readonly string[];
  readonly ignoreUnknownQueryParameters: boolean;
  readonly captureUnknownQueryParameters: boolean;
  /** Place of google.rpc.Status; -1 = errors stay headers (convert_grpc_status is off). */
  readonly statusType: number;
  readonly urlUnescapeSpec: UrlUnescapeSpec;
  readonly queryParamUnescapePlus: boolean;
  readonly matchUnregisteredCustomVerb: boolean;
  readonly rejectUnknownMethod: boolean;
  readonly rejectUnknownQueryParameters: boolean;
  readonly rejectBindingBodyFieldCollisions: boolean;
  readonly caseInsensitiveEnumParsing: boolean;
  /** Bytes; null = the stream's buffer limit. */
  readonly maxRequestBodySize: number | null;
  readonly maxResponseBodySize: number | null;
}
