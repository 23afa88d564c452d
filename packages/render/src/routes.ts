import { table } from './layout.ts';
import { painter } from './style.ts';

/** A row of `netsim routes`. */
export interface RouteLine {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly file?: string;
  readonly line?: number;
  readonly controller: string;
  readonly host: string;
  readonly path: string;
  readonly pathType: string;
  readonly backends: readonly { readonly text: string; readonly weight?: number; readonly endpoints: number }[];
  readonly shadowedBy?: RuleName;
  readonly notes: readonly string[];
}

type RuleName = Pick<RouteLine, 'kind' | 'namespace' | 'name' | 'file' | 'line'>;

export interface RenderRoutesOptions {
  readonly wide?: boolean;
  readonly color?: boolean;
}

/** The effective routing table, in order of precedence; rules that never get a request are marked. */
export function renderRoutes(
  routes: readonly RouteLine[],
  { wide = false, color = false }: RenderRoutesOptions = {},
): string {
  const paint = painter(color);
  const header = ['HOST', 'PATH', 'TYPE', 'BACKEND', ...(wide ? ['ENDPOINTS', 'CONTROLLER'] : []), 'RULE', 'NOTE'];
  const rows = routes.map((route) => {
    const { host, path, pathType, backends, controller, shadowedBy, notes } = route;
    const all = backends.reduce((sum, { weight = 1 }) => sum + weight, 0);
    const to = backends.map(({ text, weight = 1 }) =>
      backends.length === 1 || all === 0 ? text : `${text} ${Math.round((weight / all) * 100)}%`,
    );
    const tone = shadowedBy === undefined ? ('plain' as const) : ('faint' as const);
    const said = [...(shadowedBy === undefined ? [] : [`shadowed by ${ruleName(shadowedBy)}`]), ...notes];
    const none = backends.some(({ endpoints }) => endpoints === 0);
    const cells = [
      host,
      path,
      pathType,
      to.length === 0 ? '<none>' : to.join(', '),
      ...(wide ? [backends.map(({ endpoints }) => endpoints).join(','), controller] : []),
      ruleName(route),
      [...said, ...(none && shadowedBy === undefined ? ['no ready endpoint'] : [])].join('; '),
    ];
    return cells.map((text) => ({ text, tone }));
  });
  return `${table(header, rows, paint).join('\n')}\n`;
}

/** `ingress/kubia kubia.yaml:31`. */
function ruleName({ kind, namespace, name, file, line }: RuleName): string {
  const object = `${kind.toLowerCase()}/${namespace === 'default' ? '' : `${namespace}/`}${name}`;
  return file === undefined ? object : `${object} ${file}${line === undefined ? '' : `:${line}`}`;
}
