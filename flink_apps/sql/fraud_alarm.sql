SELECT '{{pattern}}' AS `pattern`, '{{entity}}' AS entity_type, {{entity}} AS entity, {{pattern}}_part AS score, {{pattern}}_reason AS reason,
  event_id, event_type, event_ms, user_id, session_id, device_id, order_id, amount, ts
FROM judged WHERE {{pattern}}_part >= {{review_from}}
