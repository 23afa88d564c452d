import type { Question, ResourceRecord } from '../../coredns/message.ts';
import { failureText, recordText, type ToolFailure, type ToolOutput, type ToolReply, typeText } from './reply.ts';

/** One question of a call of dig, and what came of it. */
export interface DigRun {
  /** The arguments, for the first line. */
  readonly args: readonly string[];
  /** A server was named with `@`. */
  readonly serverGiven?: boolean;
  readonly reply?: ToolReply;
  readonly failures?: readonly ToolFailure[];
  /** For the line `WHEN`; UTC. */
  readonly when: Date;
  readonly show?: Partial<DigShow>;
  /** Version that the first line names. */
  readonly version?: string;
}

/** The display options `+[no]cmd`, `+[no]comments`, ...; all on but `short`. `+noall` turns all off. */
export interface DigShow {
  readonly short: boolean;
  readonly cmd: boolean;
  readonly comments: boolean;
  readonly question: boolean;
  readonly answer: boolean;
  readonly authority: boolean;
  readonly additional: boolean;
  readonly stats: boolean;
}

const everything: DigShow = {
  short: false,
  cmd: true,
  comments: true,
  question: true,
  answer: true,
  authority: true,
  additional: true,
  stats: true,
};

/** `dig` of bind 9.18. Status 9: no reply from any server. */
export function formatDig(run: DigRun): ToolOutput {
  const show = { ...everything, ...run.show };
  const { reply, failures = [] } = run;
  let out = failureText(failures);
  if (!show.short && show.cmd) {
    out += `\n; <<>> DiG ${run.version ?? '9.18.28'} <<>> ${run.args.join(' ')}\n`;
    if (run.serverGiven) out += '; (1 server found)\n';
    out += ';; global options: +cmd\n';
  }
  if (reply === undefined) return { stdout: `${out};; no servers could be reached\n`, stderr: '', status: 9 };
  const { message } = reply;
  if (show.short) {
    return { stdout: out + message.answers.map((record) => `${recordText(record)}\n`).join(''), stderr: '', status: 0 };
  }
  if (show.comments) out += header(reply);
  if (show.comments && message.edns !== undefined) {
    const { version, dnssecOk, size } = message.edns;
    out += `\n;; OPT PSEUDOSECTION:\n; EDNS: version: ${version}, flags:${dnssecOk ? ' do' : ''}; udp: ${size}\n`;
  } else if (show.comments) out += '\n';
  if (show.question && message.questions.length > 0) {
    out += (show.comments ? ';; QUESTION SECTION:\n' : '') + message.questions.map(questionLine).join('');
    if (show.comments) out += '\n';
  }
  const section = (on: boolean, title: string, records: readonly ResourceRecord[]) => {
    if (!on || records.length === 0) return;
    const lines = records.map(recordLine).join('');
    out += show.comments ? `;; ${title} SECTION:\n${lines}\n` : lines;
  };
  section(show.answer, 'ANSWER', message.answers);
  section(show.authority, 'AUTHORITY', message.authorities);
  section(show.additional, 'ADDITIONAL', message.additionals);
  if (show.stats) {
    const { server, port = 53, transport = 'udp' } = reply;
    out += `;; Query time: ${Math.round(reply.elapsedMs ?? 0)} msec\n`;
    out += `;; SERVER: ${server}#${port}(${server}) (${transport.toUpperCase()})\n`;
    out += `;; WHEN: ${dateText(run.when)}\n;; MSG SIZE  rcvd: ${reply.size ?? 0}\n\n`;
  }
  return { stdout: out, stderr: '', status: 0 };
}

function header({ message }: ToolReply): string {
  const flags = [
    message.response ? 'qr' : '',
    message.aa ? 'aa' : '',
    message.tc ? 'tc' : '',
    message.rd ? 'rd' : '',
    message.ra ? 'ra' : '',
    message.ad ? 'ad' : '',
    message.cd ? 'cd' : '',
  ].filter((flag) => flag !== '');
  const additional = message.additionals.length + (message.edns === undefined ? 0 : 1);
  const mdns = message.questions.some(({ name }) => /(^|\.)local\.$/i.test(name))
    ? ';; WARNING: .local is reserved for Multicast DNS\n;; You are currently testing what happens when an mDNS query is leaked to DNS\n'
    : '';
  const recursion = message.rd && !message.ra ? ';; WARNING: recursion requested but not available\n' : '';
  return `;; Got answer:\n${mdns};; ->>HEADER<<- opcode: QUERY, status: ${message.rcode}, id: ${message.id}\n;; flags: ${flags.join(' ')}; QUERY: ${message.questions.length}, ANSWER: ${message.answers.length}, AUTHORITY: ${message.authorities.length}, ADDITIONAL: ${additional}\n${recursion}`;
}

const CLASS_COLUMN = 32;
const COLUMNS = [24, CLASS_COLUMN, 40, 48];

function questionLine({ name, type, class: dnsClass }: Question): string {
  return `;${inColumns([name, dnsClass, type], [CLASS_COLUMN, 40])}\n`;
}

function recordLine(record: ResourceRecord): string {
  const { name, ttl, class: dnsClass } = record;
  return `${inColumns([name, String(ttl), dnsClass, typeText(record), recordText(record)], COLUMNS)}\n`;
}

/** Each word but the first begins at its column, by tabs of eight; at the next one where its column is passed. */
function inColumns(words: readonly string[], columns: readonly number[]): string {
  let line = words[0]!;
  let column = line.length;
  words.slice(1).forEach((word, i) => {
    const target = Math.max(columns[i]!, column + 1);
    const tabs = Math.floor(target / 8) - Math.floor(column / 8);
    const spaces = tabs > 0 ? target % 8 : target - column;
    line += '\t'.repeat(tabs) + ' '.repeat(spaces) + word;
    column = target + word.length;
  });
  return line;
}

/** As `date` in the C locale: `Sat Nov 21 10:27:38 UTC 2026`. */
function dateText(when: Date): string {
  const [weekday, day, month, year, time] = when.toUTCString().replace(',', '').split(' ');
  return `${weekday} ${month} ${day} ${time} UTC ${year}`;
}
