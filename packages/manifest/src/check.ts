import { type Admission, admit } from './admit.ts';
import type { Finding } from './finding.ts';
import { convertOldVersion } from './kinds/convert.ts';
import { identifyKind } from './kinds/identify.ts';
import { type KubeObject, ORIGIN, type Path } from './objects.ts';
import type { DecodeIssue } from './schema/decode.ts';
import { schemaOf, structOf } from './schema/index.ts';
import { suggestField, suggestType } from './schema/suggest.ts';
import type { Struct } from './schema/type.ts';
import type { Cause } from './validate/cause.ts';

export interface CheckOptions {
  /** For objects of namespaced kinds that name none. Default `default`. */
  readonly namespace?: string;
}

export interface CheckResult {
  /** In today's version, with defaults. */
  readonly object: KubeObject;
  /** False where the API server would not take it. */
  readonly accepted: boolean;
  readonly findings: readonly Finding[];
}

/** Mistakes of one kind in one object that are told one by one. */
const MOST_TOLD = 100;

/** Converts, checks and completes one object; says everything that is wrong with it. The input is not changed. */
export function checkObject(input: KubeObject, options: CheckOptions = {}): CheckResult {
  const findings: Finding[] = [];
  const problem = identifyKind(input);
  if (problem !== undefined) {
    const { code, message, field, suggestion } = problem;
    findings.push(
      finding(input, { severity: 'error', code, message, ...(suggestion !== undefined && { suggestion }) }, [field]),
    );
    return { object: input, accepted: false, findings };
  }
  const conversion = convertOldVersion(input);
  if (conversion !== undefined) {
    const message = `${input.kind} in ${input.apiVersion} is refused by clusters since 1.${conversion.removedIn}; read as ${conversion.today}`;
    const suggestion = `write apiVersion: ${conversion.today}`;
    findings.push(finding(input, { severity: 'warning', code: 'removed-api', message, suggestion }, ['apiVersion']));
  }
  const object = conversion?.object ?? input;
  const admission = admit(object, options);
  const issues = admission.issues.slice(0, MOST_TOLD);
  const causes = told(object, { ...admission, issues }).slice(0, MOST_TOLD);
  for (const issue of issues) findings.push(fromIssue(admission.object, object, issue));
  for (const cause of causes) findings.push(fromCause(admission.object, object, cause));
  for (const { message, path } of admission.warnings) {
    findings.push(finding(admission.object, { severity: 'warning', code: 'api-warning', message }, path));
  }
  const rest = admission.issues.length - issues.length;
  if (rest > 0) {
    const message = `and ${rest} more fields that are unknown or of a wrong type`;
    findings.push(finding(admission.object, { severity: 'error', code: 'too-many-mistakes', message }, []));
  }
  return { object: admission.object, accepted: admission.code === 201, findings };
}

/** Causes that do not merely follow from what the decoder said already. */
function told(object: KubeObject, { causes, issues }: Admission): readonly Cause[] {
  if (issues.length === 0) return causes;
  const root = rootOf(object);
  const wrong = issues.map((issue) => {
    const suggestion =
      issue.code === 'unknown-field' ? suggestField(root, issue.path, valueAt(object, issue.path)) : undefined;
    return { ...issue, target: suggestion?.target };
  });
  return causes.filter(({ path, message }) => {
    const names = path.filter((part) => typeof part === 'string');
    const missing = MISSING.test(message);
    return !wrong.some((issue) => {
      if (issue.code === 'wrong-type') {
        // A service's targetPort is its port where nothing else is said.
        const follows = names.at(-1) === 'targetPort' && issue.path.at(-1) === 'port';
        return startsWith(path, issue.path) || (follows && startsWith(path, issue.path.slice(0, -1)));
      }
      // What was written under a wrong name, or in a wrong place, is missing in the right one.
      if (!missing) return false;
      if (startsWith(issue.path, path)) return path.length === issue.path.length - 1;
      return issue.target !== undefined && (startsWith(names, issue.target) || startsWith(issue.target, names));
    });
  });
}

/** Causes that say that there is nothing. */
const MISSING = /^(Required value|Invalid value: (0|""|null|\{\}):)/;

function startsWith(path: Path, start: Path): boolean {
  return start.every((part, i) => path[i] === part);
}

function rootOf({ apiVersion, kind }: KubeObject): Struct {
  return schemaOf(apiVersion, kind) ?? structOf('AnyKind');
}

/** `stored` names the object, `written` holds what was written. */
function fromIssue(stored: KubeObject, written: KubeObject, issue: DecodeIssue): Finding {
  const root = rootOf(written);
  const value = valueAt(written, issue.path);
  const suggestion =
    issue.code === 'unknown-field' ? suggestField(root, issue.path, value)?.text : suggestType(root, issue.path, value);
  const { code, message } = issue;
  return finding(
    stored,
    { severity: 'error', code, message, ...(suggestion !== undefined && { suggestion }) },
    issue.path,
  );
}

const CAUSE_CODES: Readonly<Record<Cause['type'], string>> = {
  required: 'required-field',
  invalid: 'invalid-value',
  unsupported: 'unsupported-value',
  forbidden: 'forbidden-field',
  duplicate: 'duplicate-value',
  'too-long': 'too-long',
  'too-many': 'too-many',
};

function fromCause(stored: KubeObject, written: KubeObject, cause: Cause): Finding {
  const { type, field, message, suggestion } = cause;
  const text = `${field}: ${message}`;
  return finding(
    stored,
    { severity: 'error', code: CAUSE_CODES[type], message: text, ...(suggestion !== undefined && { suggestion }) },
    writtenPath(written, cause.path),
  );
}

/** A list that the server makes of a single field is found where the field was written. */
function writtenPath(written: KubeObject, path: Path): Path {
  const [spec, list] = path;
  const made = spec === 'spec' && list === 'clusterIPs' && valueAt(written, ['spec', 'clusterIPs']) === undefined;
  return made ? ['spec', 'clusterIP'] : path;
}

/** A finding about a field of an object: names the object, and finds the place in its file. */
export function finding(
  object: KubeObject,
  what: Pick<Finding, 'severity' | 'code' | 'message' | 'suggestion'>,
  path: Path,
): Finding {
  const name = objectName(object);
  const origin = object[ORIGIN];
  return {
    ...what,
    message: `${label(name)}: ${what.message}`,
    ...(origin !== undefined && { file: origin.file, ...origin.locate(path) }),
    path,
    object: name,
  };
}

function objectName({ kind, metadata }: KubeObject): { kind: string; namespace?: string; name: string } {
  const { name, namespace, generateName } = (metadata ?? {}) as {
    name?: unknown;
    namespace?: unknown;
    generateName?: unknown;
  };
  const text = typeof name === 'string' ? name : typeof generateName === 'string' ? generateName : '';
  return { kind, ...(typeof namespace === 'string' && namespace !== '' && { namespace }), name: text };
}

function label({ kind, namespace, name }: { kind: string; namespace?: string; name: string }): string {
  if (name === '') return `${kind.toLowerCase()} without a name`;
  return `${kind.toLowerCase()} "${namespace === undefined ? name : `${namespace}/${name}`}"`;
}

function valueAt(object: unknown, path: Path): unknown {
  let value = object;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}
