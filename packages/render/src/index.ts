export * from './data.ts';
export { renderDiagnosis } from './diagnosis.ts';
export { renderJunit, renderReport, renderTap } from './expectations.ts';
export * from './findings.ts';
export * from './kubectl/index.ts';
export { type RenderRoutesOptions, type RouteLine, renderRoutes } from './routes.ts';
export * from './spread.ts';
export { type Detail, type RenderTraceOptions, renderTrace } from './trace/render.ts';
