/** The conformance tests of the Gateway API as data (`gateway/conformance.json`). */
export interface Suite {
  readonly tests: readonly SuiteTest[];
}
export interface SuiteTest {
  readonly shortName: string;
  readonly features: readonly string[];
  readonly manifests: readonly string[];
  readonly tables: readonly { readonly name: string; readonly cases: readonly Case[] }[];
  readonly refs: Readonly<Record<string, { readonly Name?: unknown; readonly Namespace?: unknown }>>;
}

/** What the test's Go code computes is there as an expression: an object with `$call` or `$op`, a text with `$`, or a name of Go. */
export type Text = string | { readonly $op?: string; readonly $call?: string };

export interface RequestData {
  readonly Host?: Text;
  readonly Path?: Text;
  readonly Method?: string;
  readonly Headers?: Readonly<Record<string, string>> | string | null;
  readonly SNI?: string;
  readonly Protocol?: string;
}
export interface Case {
  readonly Request?: RequestData | string;
  readonly ExpectedRequest?: { readonly Request?: RequestData; readonly AbsentHeaders?: readonly string[] | string };
  readonly RedirectRequest?: {
    readonly Scheme?: string;
    readonly Host?: string;
    readonly Port?: string;
    readonly Path?: string;
  };
  readonly Response?:
    | string
    | {
        readonly StatusCode?: number | string;
        readonly StatusCodes?: readonly (number | string)[];
        readonly Code?: string;
        readonly Headers?: Readonly<Record<string, string | { readonly $elts: readonly string[] }>>;
        readonly ValidHeaderValues?: Readonly<Record<string, readonly string[]>>;
        readonly AbsentHeaders?: readonly string[];
        readonly IgnoreWhitespace?: boolean;
      };
  readonly Backend?: string;
  readonly Namespace?: string;
  readonly MirroredTo?: readonly {
    readonly BackendRef: { readonly Name: string; readonly Namespace: string };
    readonly Percent?: { readonly args: readonly [{ readonly args: readonly [number] }] };
  }[];
  readonly BackendSetResponseHeaders?: Readonly<Record<string, string>>;
  readonly EchoRequest?: object;
  readonly EchoTwoRequest?: object;
  readonly EchoThreeRequest?: object;
  readonly RequestMetadata?: { readonly Authority?: string; readonly Metadata?: Readonly<Record<string, string>> };
  readonly BackendIsTLS?: boolean;
  readonly Hostname?: string;
  readonly Service?: string;
}
