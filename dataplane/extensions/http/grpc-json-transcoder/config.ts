// envoy.filters.http.grpc_json_transcoder: main-thread half; the per-route message is the same as the
// filter's. Reads the descriptor set here, so that workers need no protobuf library.

import type { FieldError, Result } from '../../../../common/result.ts';
import type {
  GrpcJsonTranscoderPrintOptionsProto,
  GrpcJsonTranscoderProto,
} from '../../../../proto/gen/types.ts';
import { wrapperOr } from '../../../../proto/well-known.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation } from '../../../compile/compilation.ts';
import { RuleTable } from './config/compile-rules.ts';
import { TypeTable } from './config/compile-types.ts';
import { DescriptorReader, type Descriptors } from './config/descriptors.ts';
import type { GrpcJsonTranscoderData, PrintOptionsData } from './data.ts';

const type = 'envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder';
const STATUS = 'google.rpc.Status';
const NO_DESCRIPTORS: Descriptors = { files: [], types: new TypeTable([]) };
// Of the process: what it keeps is one set.
const descriptorReader = new DescriptorReader();

/** GrpcJsonTranscoder -> GrpcJsonTranscoderData, also per route. */
export const grpcJsonTranscoder: ExtensionConfigFactory<GrpcJsonTranscoderProto> = {
  name: 'envoy.filters.http.grpc_json_transcoder',
  category: 'http-filter',
  configTypes: [type],
  routeConfigTypes: [type],
  compile: compileTranscoder,
  compileRoute: compileTranscoder,
};

function compileTranscoder(
  config: GrpcJsonTranscoderProto,
  context: CompileContext,
): Result<unknown, FieldError[]> {
  const compilation = new Compilation(context);
  const services = config.services ?? [];
  const isDisabled = services.length === 0;
  // A filter that is off reads no descriptors, as in Envoy.
  const convertsStatus = config.convert_grpc_status ?? false;
  const { files, types } = isDisabled
    ? NO_DESCRIPTORS
    : (readDescriptors(config, convertsStatus, compilation) ?? NO_DESCRIPTORS);
  for (const name of types.missing) {
    compilation.fail(descriptorField(config), `the proto descriptor has no type '${name}'`);
  }
  const rules = new RuleTable(files, types);
  if (compilation.errors.length === 0) addServices(services, config, rules, compilation);
  const validation = config.request_validation_options ?? {};
  const data: GrpcJsonTranscoderData = {
    messages: types.messages,
    enums: types.enums,
    methods: rules.methods,
    bindings: rules.bindings,
    isDisabled,
    print: compilePrintOptions(config.print_options ?? {}),
    matchIncomingRequestRoute: config.match_incoming_request_route ?? false,
    ignoredQueryParameters: config.ignored_query_parameters ?? [],
    ignoreUnknownQueryParameters: config.ignore_unknown_query_parameters ?? false,
    captureUnknownQueryParameters: config.capture_unknown_query_parameters ?? false,
    statusType: convertsStatus ? types.messageIndex(STATUS) : -1,
    urlUnescapeSpec: config.url_unescape_spec ?? 'ALL_CHARACTERS_EXCEPT_RESERVED',
    queryParamUnescapePlus: config.query_param_unescape_plus ?? false,
    matchUnregisteredCustomVerb: config.match_unregistered_custom_verb ?? false,
    rejectUnknownMethod: validation.reject_unknown_method ?? false,
    rejectUnknownQueryParameters: validation.reject_unknown_query_parameters ?? false,
    rejectBindingBodyFieldCollisions: validation.reject_binding_body_field_collisions ?? false,
    caseInsensitiveEnumParsing: config.case_insensitive_enum_parsing ?? false,
    maxRequestBodySize: wrapperOr(config.max_request_body_size, null),
    maxResponseBodySize: wrapperOr(config.max_response_body_size, null),
  };
  return compilation.result(data);
}

function addServices(
  services: readonly string[],
  config: GrpcJsonTranscoderProto,
  rules: RuleTable,
  compilation: Compilation,
): void {
  for (const [i, name] of services.entries()) {
    const errorsBefore = rules.errors.length;
    if (!rules.addService(name, config.auto_mapping ?? false)) {
      compilation.fail(`services[${i}]`, `Could not find '${name}' in the proto descriptor`);
    }
    for (const error of rules.errors.slice(errorsBefore)) {
      compilation.fail(`services[${i}]`, error);
    }
  }
}

function readDescriptors(
  config: GrpcJsonTranscoderProto,
  convertsStatus: boolean,
  compilation: Compilation,
): Descriptors | null {
  const bytes = readBytes(config, compilation);
  if (bytes === null) return null;
  const read = descriptorReader.read(bytes, convertsStatus);
  if (read.ok) return read.value;
  const message = `Unable to parse proto descriptor: ${read.errors}`;
  compilation.fail(descriptorField(config), message);
  return null;
}

function readBytes(config: GrpcJsonTranscoderProto, compilation: Compilation): Buffer | null {
  if (config.proto_descriptor_bin !== undefined) return config.proto_descriptor_bin;
  const path = config.proto_descriptor ?? '';
  const file = compilation.context.readFile(path);
  if (file.ok) return file.value;
  compilation.fail('proto_descriptor', `cannot read '${path}': ${file.errors}`);
  return null;
}

function descriptorField(config: GrpcJsonTranscoderProto): string {
  return config.proto_descriptor_bin === undefined ? 'proto_descriptor' : 'proto_descriptor_bin';
}

function compilePrintOptions(options: GrpcJsonTranscoderPrintOptionsProto): PrintOptionsData {
  const isSse = options.stream_sse_style_delimited ?? false;
  const isNewline = options.stream_newline_delimited ?? false;
  return {
    addWhitespace: options.add_whitespace ?? false,
    alwaysPrintPrimitiveFields: options.always_print_primitive_fields ?? false,
    alwaysPrintEnumsAsInts: options.always_print_enums_as_ints ?? false,
    preserveProtoFieldNames: options.preserve_proto_field_names ?? false,
    streamStyle: isSse ? 'sse' : isNewline ? 'newline' : 'array',
  };
}
