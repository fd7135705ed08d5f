from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('quotes', '0001_initial'),
    ]

    operations = [
        migrations.AlterField(
            model_name='feedevent',
            name='kind',
            field=models.CharField(choices=[('connected', 'Connected'), ('disconnected', 'Disconnected'), ('symbol_error', 'Symbol Error'), ('delayed', 'Delayed'), ('gap_volume', 'Gap Volume'), ('correction', 'Correction'), ('garbage', 'Garbage'), ('gap', 'Gap'), ('lost', 'Lost'), ('healed', 'Healed'), ('not_healed', 'Not Healed'), ('split', 'Split'), ('started', 'Started'), ('stopped', 'Stopped')], max_length=16),
        ),
    ]
