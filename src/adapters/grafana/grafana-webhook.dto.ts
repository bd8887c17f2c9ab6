import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Allow, ArrayMaxSize, ArrayNotEmpty, IsArray, IsIn, IsOptional } from 'class-validator';

/** One alert of a webhook, as Grafana documents it. Only `labels.alertname` is needed; keys that are not listed are ignored. */
export class GrafanaAlertDto {
  @ApiPropertyOptional({ enum: ['firing', 'resolved'], default: 'firing' })
  status?: unknown;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    example: { alertname: 'HighLatency', severity: 'warning', namespace: 'staging-checkout', deployment: 'checkout' },
  })
  labels?: unknown;

  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' } })
  annotations?: unknown;

  @ApiPropertyOptional({ format: 'date-time' })
  startsAt?: unknown;

  @ApiPropertyOptional({ format: 'date-time' })
  endsAt?: unknown;

  @ApiPropertyOptional({ type: 'string', description: "Grafana's own identity of the alert." })
  fingerprint?: unknown;

  @ApiPropertyOptional({ type: 'string' })
  generatorURL?: unknown;

  @ApiPropertyOptional({ type: 'string' })
  dashboardURL?: unknown;

  @ApiPropertyOptional({ type: 'string' })
  panelURL?: unknown;

  @ApiPropertyOptional({ type: 'string' })
  silenceURL?: unknown;

  @ApiPropertyOptional({ type: 'string' })
  imageURL?: unknown;
}

/** The envelope of a webhook of Grafana's unified alerting. As with Alertmanager, only what makes it one is validated. */
export class GrafanaWebhookDto {
  @ApiPropertyOptional({ enum: ['1'], default: '1' })
  @IsOptional()
  @IsIn(['1'], { message: 'version must be "1": webhooks of Alertmanager go to the path of that source' })
  version?: string;

  @ApiPropertyOptional({ type: 'string' })
  @Allow()
  groupKey?: unknown;

  @ApiPropertyOptional({ type: 'string', example: 'kubernaut-gateway' })
  @Allow()
  receiver?: unknown;

  @ApiPropertyOptional({ type: 'string', example: 'https://grafana.example.com/' })
  @Allow()
  externalURL?: unknown;

  @ApiPropertyOptional({
    type: 'integer',
    description: "Alerts that the contact point's maximum left out.",
    default: 0,
  })
  @Allow()
  truncatedAlerts?: unknown;

  @ApiProperty({ type: () => [GrafanaAlertDto] })
  @ArrayNotEmpty({ message: 'alerts must hold at least one alert' })
  @ArrayMaxSize(10_000, {
    message: 'alerts must hold at most 10000 alerts: set the maximum of alerts in the contact point',
  })
  @IsArray({ message: 'alerts must be a list of alerts' })
  alerts!: readonly unknown[];
}
