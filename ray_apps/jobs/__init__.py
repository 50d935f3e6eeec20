"""Commands that Airflow submits to Ray: train, register, roll out; and the tuning, gate and benchmark they use."""
