import { type KindInfo, kindInfo, parseApiVersion } from './kinds/registry.ts';
import { rulesOf } from './kinds/rules.ts';
import type { ServerWarning } from './kinds/service-warnings.ts';
import { type AnyObject, type KubeObject, type ObjectMeta, ORIGIN } from './objects.ts';
import { type DecodeIssue, decode, type Fields } from './schema/decode.ts';
import { schemaOf, structOf } from './schema/index.ts';
import { type Cause, Causes } from './validate/cause.ts';
import { pathSegmentName, subdomainName, validateMetadata } from './validate/common.ts';

export interface AdmitOptions {
  /** For objects of namespaced kinds that name none. Default `default`. */
  readonly namespace?: string;
}

/** What the API server would answer to the object. */
export interface Admission {
  /** 201 accepted; 400 refused by the strict decoder (unknown fields, wrong types); 422 refused by validation. */
  readonly code: 201 | 400 | 422;
  /** The object as it would be stored, with defaults. Meaningful where it was accepted. */
  readonly object: KubeObject;
  readonly issues: readonly DecodeIssue[];
  /** Found by validation even where the decoder refuses: the server would tell them next. */
  readonly causes: readonly Cause[];
  /** Told where the object is accepted. */
  readonly warnings: readonly ServerWarning[];
}

/**
 * Reads an object as kube-apiserver 1.36 does on create: strict decoding, defaults, validation. What depends on the cluster
 * (allocated addresses and ports, admission plugins that look at other objects) is not done. The input is not changed.
 * Kinds whose fields are not known are checked in their metadata only.
 */
export function admit(input: KubeObject, options: AdmitOptions = {}): Admission {
  const info = kindOf(input);
  const schema = schemaOf(input.apiVersion, input.kind);
  const { object: fields, issues } = decode(
    schema ?? structOf('AnyKind'),
    schema === undefined ? head(input) : toFields(input),
  );
  const object = (schema === undefined ? { ...input, ...fields } : fields) as AnyObject;
  const origin = input[ORIGIN];
  if (origin !== undefined) object[ORIGIN] = origin;
  if (info !== undefined) placeInNamespace(object.metadata, info, options);
  object.metadata.name ??= '';
  const causes = new Causes();
  const rules = schema === undefined ? {} : rulesOf(object.kind);
  rules.defaults?.(object);
  if (rules.validate !== undefined) rules.validate(object, causes);
  else if (info !== undefined) {
    const names = info.group.startsWith('rbac.') ? pathSegmentName : subdomainName;
    validateMetadata(causes, object.metadata, info.namespaced, names);
  }
  const code = issues.length > 0 ? 400 : causes.list.length > 0 ? 422 : 201;
  const warnings = code === 201 ? (rules.warn?.(object) ?? []) : [];
  return { code, object, issues, causes: causes.list, warnings };
}

/** An object's fields, to be looked at one by one. */
function toFields(object: KubeObject): Fields {
  return object as AnyObject;
}

function head({ apiVersion, kind, metadata }: KubeObject): Fields {
  return { apiVersion, kind, metadata };
}

/**
 * The object with the API server's defaults: a new object, with the origin of the old. Nulls, empty values and fields that the
 * kind does not have are left out, as in the stored form.
 */
export function applyDefaults<T extends KubeObject>(object: T, options: AdmitOptions = {}): T {
  return admit(object, options).object as T;
}

/**
 * The fields that the server would name when it refuses. It stops at the first wrong type, tells unknown fields together, then
 * what hinders allocation, and only then all else.
 */
export function refusedFields({ issues, causes }: Admission): string[] {
  const wrongType = issues.find((issue) => issue.stops) ?? issues.find((issue) => issue.code === 'wrong-type');
  if (wrongType !== undefined) return [wrongType.field];
  if (issues.length > 0) return issues.map((issue) => issue.field);
  const allocation = causes.filter((cause) => cause.allocation);
  return (allocation.length > 0 ? allocation : causes).map((cause) => cause.field);
}

function kindOf({ apiVersion, kind }: KubeObject): KindInfo | undefined {
  const { group } = parseApiVersion(apiVersion);
  const info = kindInfo(kind);
  return info !== undefined && info.group === group ? info : kindInfo(`${kind}.${group}`);
}

function placeInNamespace(metadata: ObjectMeta, info: KindInfo, options: AdmitOptions): void {
  if (!info.namespaced) delete metadata.namespace;
  else if ((metadata.namespace ?? '') === '') metadata.namespace = options.namespace ?? 'default';
}
