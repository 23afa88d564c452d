export { runTool, toolNames } from './run-tool.ts';
export type { ExecContext } from './tool.ts';
