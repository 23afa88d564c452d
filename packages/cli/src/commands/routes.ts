import type { CommandContext } from '../context.ts';
import { formats } from '../formats.ts';

/** `netsim routes`: 0 where there is a route (for that host), else 1. */
export async function routes(context: CommandContext, host: string | undefined): Promise<number> {
  const output = context.output(formats.routes);
  const cluster = await context.loadCluster();
  const found = cluster.routes(host === undefined ? undefined : hostOf(host));
  const render = await import('@netsim/render');
  if (output === 'json' || output === 'yaml') await context.printData(output, 'Routes', { routes: found });
  else if (found.length > 0) context.out(render.renderRoutes(found, { wide: output === 'wide', color: context.color }));
  else
    context.say(
      nothing(
        host,
        cluster.routes().map((route) => route.host),
      ),
    );
  return found.length > 0 ? 0 : 1;
}

/** Also a whole URL, as people copy it. */
function hostOf(text: string): string {
  return URL.canParse(text) && text.includes('://') ? new URL(text).hostname : text;
}

function nothing(host: string | undefined, known: readonly string[]): string {
  if (known.length === 0) return 'No routes found: no Ingress or route is served by a controller\n';
  return `No routes found for host ${host}; hosts with routes: ${[...new Set(known)].slice(0, 8).join(', ')}\n`;
}
