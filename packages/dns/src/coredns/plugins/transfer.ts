import { formatIp } from '@netsim/wire';
import { replyTo } from '../message.ts';
import { matchZone } from '../names.ts';
import { type Handler, type Request, replied, type Served, type Setup, unwritten } from '../plugin.ts';
import { argumentError, originsOf, readLines } from './lines.ts';

interface TransferRule {
  readonly zones: readonly string[];
  readonly to: readonly string[];
}

/** transfer: gives whole zones of the other plugins to those who may have them. After `plugin/transfer/transfer.go`. */
export const transfer: Setup = (directives, context) => {
  const rules: TransferRule[] = [];
  for (const directive of directives) {
    const to: string[] = [];
    readLines(directive, context, {
      to: (line) => {
        if (line.args.length === 0) context.error(line, argumentError(line));
        to.push(...line.args);
      },
    });
    if (to.length === 0) context.error(directive, "'to' is required");
    rules.push({ zones: originsOf(directive, context.zones, context.error), to });
  }
  return (next) => ({
    name: 'transfer',
    serve(request: Request): Served {
      const { type } = request.question;
      return type === 'AXFR' || type === 'IXFR' ? serveTransfer(request, rules, next) : next.serve(request);
    },
  });

  function serveTransfer(request: Request, all: readonly TransferRule[], next: Handler): Served {
    const { message, name, source, question } = request;
    if (source.transport !== 'tcp') return unwritten('REFUSED', 'zone transfer over UDP');
    const rule = all.find(({ zones }) => matchZone(zones, name) !== undefined);
    if (rule === undefined) return next.serve(request);
    const client = formatIp(source.client);
    const allowed = rule.to.some((to) => to === '*' || to === client || to === `${client}:53`);
    if (!allowed) return replied(replyTo(message, { rcode: 'REFUSED' }));
    let serial = 0;
    if (question.type === 'IXFR') {
      const [soa] = message.authorities;
      if (message.authorities.length !== 1 || soa?.type !== 'SOA') return unwritten('SERVFAIL', 'IXFR without SOA');
      serial = soa.data.serial;
    }
    for (const transferer of context.transferers()) {
      const answers = transferer.transfer(name, serial);
      if (answers !== undefined) return replied(replyTo(message, { aa: true, answers }));
    }
    return next.serve(request);
  }
};
