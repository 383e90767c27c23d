"""Numbers and dates of a text, and when two texts contradict each other in one.

The first 160 pairs were written before the code, and it was tuned on one half of them, by a checksum. On the other half
it then found 24 of 24 disagreements and claimed none in 47 pairs that agree. The harder ones, closer to the news, came
in two lots, each run before anything was tuned on it: found were 15 of 26 and 19 of 25, claimed wrongly 3 of 30 and 0
of 25. Tuned on all of them, it claims none wrongly and finds all but `MISSED`.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.disagreement import disagreement
from qa.figures import Figure, figures

DISAGREEING = [
    ("При пожаре в гостинице погибли 27 человек.", "Жертвами пожара в гостинице стали 30 человек."),
    ("Во время паводка погибли двое, ранены семеро.", "Паводок унёс жизни четырёх человек, семеро ранены."),
    ("Спасатели эвакуировали 340 жителей посёлка.", "Спасатели эвакуировали из посёлка не менее 400 жителей."),
    ("На площади собрались около 5 тысяч человек.", "На площади собрались 12 тысяч человек."),
    ("Пропали без вести трое рыбаков.", "Пропали без вести 8 рыбаков."),
    ("Среди погибших двое детей.", "Среди погибших трое детей."),
    ("Полиция задержала двадцать пять участников митинга.", "Полиция задержала 41 участника митинга."),
    ("Погибли 12 человек, среди них 3 ребёнка.", "Погибли 12 человек, в том числе 4 ребёнка."),
    ("На заводе работают 1 200 человек.", "На заводе работает 900 человек."),
    (
        "Погибли четверо шахтёров, ещё шестеро остаются под завалами.",
        "Под завалами остаются девять шахтёров, четверо погибли.",
    ),
    ("По данным мэрии, пострадали 18 человек.", "По словам губернатора, пострадали 21 человек."),
    ("Беспилотник способен пролететь 900 километров.", "Беспилотник может пролететь 1500 км."),
    ("Ущерб оценили в 5,2 млн рублей.", "Ущерб составил 7,5 млн рублей."),
    ("Контракт стоит 5 млн долларов.", "Стоимость контракта — $8 млн."),
    ("Инфляция составила 5,3 %.", "Инфляция составила 6,1 процента."),
    ("Экспорт зерна достиг 60 млн тонн.", "Экспорт зерна составил 48 млн тонн."),
    ("Рыбаки добыли 20–30 тонн трески.", "Рыбаки добыли 45 тонн трески."),
    ("Длина моста — 2,5 км.", "Длина моста — 3,1 км."),
    ("Переговоры длились шесть часов.", "Переговоры длились девять часов."),
    ("Ремонт продлится три недели.", "Ремонт продлится пять недель."),
    ("Тариф вырос на 9 %.", "Тариф вырос на 12 %."),
    ("Площадь пожара — около 100 гектаров.", "Площадь пожара — 400 га."),
    ("Завод выпустил 500 тракторов.", "Завод выпустил 450 тракторов."),
    ("За ночь над областью сбили 14 беспилотников.", "Ночью над областью сбили 19 беспилотников."),
    ("Разрушены 9 домов, повреждены 40.", "Разрушены 11 домов, повреждены 40."),
    ("Турнир собрал 24 команды из 11 стран.", "В турнире играют 24 команды из 13 стран."),
    ("Билет стоит 450 рублей.", "Билет стоит 600 рублей."),
    ("Договор подписали 24 марта.", "Договор подписали 26 марта."),
    ("Мост открыли в 2014 году.", "Мост открыли в 2016 году."),
    ("Мост открыли в мае 2014 года.", "Мост открыли в июне 2014 года."),
    ("Президент прибыл в Минск 11 июля.", "Президент прибыл в Минск 12 июля."),
    ("Без света остались 350 домов.", "Без света остались 620 домов."),
    ("At least 27 people were killed in the blast.", "The blast killed 19 people."),
    ("The blast killed 27 people and wounded 40.", "The blast killed 27 people and wounded 55."),
    ("Five people were injured in the crash.", "Eight people were injured in the crash."),
    ("The storm left 1,000 homes without power.", "The storm left 2,500 homes without power."),
    ("The deal is worth $5.2 million.", "The deal is worth $7 million."),
    ("Unemployment rose to 4.1 percent.", "Unemployment rose to 4.6%."),
    ("The bridge is 2.5 km long.", "The bridge is 4 kilometres long."),
    ("Nearly 300 firefighters battled the fire.", "Some 500 firefighters battled the fire."),
    ("Police arrested 24 protesters.", "Police arrested 37 protesters."),
    ("The treaty was signed on March 24.", "The treaty was signed on March 26."),
    ("The museum opened in 2014.", "The museum opened in 2017."),
    ("The talks lasted two hours.", "The talks lasted five hours."),
    ("More than 100 tonnes of aid arrived.", "80 tonnes of aid arrived."),
    ("Air defences shot down 14 drones overnight.", "Air defences shot down 18 drones overnight."),
    ("При пожаре погибли 27 человек.", "The fire killed 31 people."),
    ("Ранены 15 человек.", "22 people were injured."),
    ("Сбиты 14 беспилотников.", "19 drones were shot down."),
    ("Дальность ракеты — 300 км.", "The missile has a range of 500 kilometers."),
    ("Контракт оценивают в 5,2 млн долларов.", "The contract is worth $9 million."),
    ("Инфляция достигла 8 %.", "Inflation reached 11 percent."),
    ("Договор подписали 24 марта 2021 года.", "The treaty was signed on March 27, 2021."),
    ("Музей открыли в 2014 году.", "The museum opened in 2016."),
    ("Переговоры длились шесть часов.", "The talks lasted nine hours."),
    ("Корабль доставил 1 000 тонн риса.", "The ship delivered 2,600 tons of rice."),
    ("Спасены 12 человек.", "Sixteen people were rescued."),
]
AGREEING = [
    ("При пожаре в гостинице погибли 27 человек.", "Число погибших при пожаре в гостинице достигло 27."),
    ("Во время паводка погибли двое, ранены семеро.", "Паводок: двое погибших, семь пострадавших получили ранения."),
    ("В аварии погибли 5 человек.", "В аварии ранены 7 человек."),
    ("Спасатели эвакуировали 340 жителей посёлка.", "Спасатели вывезли из посёлка более 300 жителей."),
    ("На площади собрались около 5 тысяч человек.", "На площади собрались 5200 человек."),
    ("Пропали без вести трое рыбаков.", "Пропали без вести три рыбака."),
    ("Среди погибших двое детей.", "Среди погибших трое взрослых."),
    ("Полиция задержала двадцать пять участников митинга.", "Полиция задержала 25 участников митинга."),
    ("В Самаре при пожаре погибли 3 человека.", "В Рязани при пожаре погибли 5 человек."),
    ("За сутки в больницы попали 40 человек.", "За неделю в больницы попали 260 человек."),
    ("Погибли 12 человек, среди них 3 ребёнка.", "Погибли 12 человек, 3 из них дети."),
    ("На заводе работают 1 200 человек.", "На заводе работает 1,2 тыс. человек."),
    ("Погибли четверо шахтёров, ещё шестеро остаются под завалами.", "Под завалами остаются шестеро шахтёров."),
    ("Число раненых выросло до 33.", "Число раненых выросло на 33 процента."),
    ("Число раненых выросло до 33.", "Ранены 33 человека."),
    ("Погибли 5 мужчин и 2 женщины.", "Погибли 7 человек."),
    ("В доме живут сорок семей.", "В доме живут десятки семей."),
    ("Беспилотник способен пролететь 1500 километров.", "Беспилотник может пролететь до 1500 км."),
    ("Ущерб оценили в 5,2 млн рублей.", "Ущерб составил 5 214 000 рублей."),
    ("Контракт стоит 5 млн долларов.", "Стоимость контракта — $5 млн."),
    ("Контракт стоит 5 млн долларов.", "Стоимость контракта — 460 млн рублей."),
    ("Инфляция за год составила 5,3 %.", "Годовая инфляция составила 5,3 процента."),
    ("Инфляция составила 5,3 %.", "Безработица составила 2,4 %."),
    ("Экспорт зерна достиг 60 млн тонн.", "Импорт зерна достиг 2 млн тонн."),
    ("Рыбаки добыли от 20 до 30 тонн трески.", "Рыбаки добыли 25 тонн трески."),
    ("Длина моста — 2,5 км.", "Мост протянулся на два с половиной километра."),
    ("Высота башни составляет 330 метров.", "Высота башни — почти 330 метров."),
    ("Переговоры длились шесть часов.", "Переговоры длились 6 часов."),
    ("Тариф вырос на 9 %.", "Тариф вырос до 120 рублей."),
    ("Компания заработала 1,5 млрд рублей.", "Компания заработала полтора миллиарда рублей."),
    ("Площадь пожара — 100 гектаров.", "Площадь пожара превысила 100 гектаров."),
    ("Площадь пожара — около 100 гектаров.", "Площадь пожара — 105 га."),
    ("Завод выпустил 500 тракторов.", "Завод продал 450 тракторов."),
    ("Сбиты 14 беспилотников.", "Сбиты 14 беспилотников из 20."),
    ("За ночь над областью сбили 14 беспилотников.", "За ночь область атаковали 19 беспилотников, 14 сбили."),
    ("Разрушены 9 домов, повреждены 40.", "Разрушены девять домов, повреждены 40."),
    ("Повреждены 40 домов.", "Разрушены 9 домов."),
    ("Турнир собрал 24 команды из 11 стран.", "В турнире играют 24 команды."),
    ("В ноябре 2023 года выплавили 5 млн тонн стали.", "В ноябре 2024 года выплавили 6 млн тонн стали."),
    ("Температура опустится до −15 градусов.", "Температура опустится до 15 градусов мороза."),
    ("Нефть подешевела до 71 доллара за баррель.", "Компания потратила 71 тысячу долларов."),
    ("Договор подписали 24 марта.", "Договор подписали 24 марта 2021 года."),
    ("Договор подписали 24 марта 2021 года.", "Договор был подписан 24.03.2021."),
    ("Мост открыли в 2014 году.", "Мост открыли 5 мая 2014 года."),
    ("Выставка работает с 5 по 9 июня.", "Выставка работает 7 июня."),
    ("Выставка открылась 5 июня и закроется 9 июля.", "Выставка закроется 9 июля."),
    ("Строительство началось в 2009 году.", "Строительство закончилось в 2012 году."),
    ("Закон приняли 3 апреля.", "Закон вступил в силу 5 мая."),
    ("Приём заявок идёт до 1 февраля.", "Приём заявок идёт с 10 января."),
    ("Землетрясение произошло 8 августа в 10:30.", "Землетрясение произошло 8 августа в 11:05."),
    ("Писатель родился в 1921 году.", "Писатель умер в 1987 году."),
    ("11 июля погибли 5 человек.", "15 июля погибли 8 человек."),
    ("Самолёт Ту-134 сел в Перми.", "Самолёт Ту-154 сел в Перми."),
    ("Рейс 417 задержали на 3 часа.", "Рейс 512 задержали на 3 часа."),
    ("Статья 5 договора осталась прежней.", "Статья 7 договора осталась прежней."),
    ("В 15 часов начался митинг.", "Митинг продлился 2 часа."),
    ("ЕС утвердил восьмой пакет мер.", "ЕС утвердил девятый пакет мер."),
    ("Команда победила со счётом 3:1.", "Команда победила со счётом 4:1."),
    ("35-летний водитель задержан.", "Водителю дали 10 лет."),
    ("35-летний водитель задержан.", "Задержан водитель 35 лет."),
    ("Звоните по телефону 8-800-200-10-20.", "Звоните по телефону 8-800-200-30-40."),
    ("Планируется купить 40 автобусов.", "Город купил 25 автобусов."),
    ("Сотни домов остались без света.", "Без света остались 350 домов."),
    ("At least 27 people were killed in the blast.", "The blast killed 31 people."),
    ("The blast killed 27 people.", "Twenty-seven people died in the blast."),
    ("Five people were injured in the crash.", "Two people were killed in the crash."),
    ("Five people were injured in the crash.", "Five were hurt in the crash."),
    ("The storm left 1,000 homes without power.", "The storm left 1000 homes without power."),
    ("The deal is worth $5.2 million.", "The deal is worth 5.2 million dollars."),
    ("The deal is worth about $5 million.", "The deal is worth $5.3 million."),
    ("Unemployment rose to 4.1 percent.", "Unemployment rose by 0.3 percent."),
    ("The bridge is 2.5 km long.", "The bridge is 2.5 kilometres long."),
    ("Nearly 300 firefighters battled the fire.", "Some 290 firefighters battled the fire."),
    ("Police arrested 20 to 30 protesters.", "Police arrested 24 protesters."),
    ("Police arrested dozens of protesters.", "Police arrested 37 protesters."),
    ("The factory produced 500 tractors.", "The factory sold 450 tractors."),
    ("The treaty was signed on March 24.", "The treaty was signed on March 24, 2021."),
    ("The museum opened in 2014.", "The museum closed in 2017."),
    ("A Boeing 737 landed safely.", "A Boeing 747 landed safely."),
    ("Article 5 was never invoked.", "Article 7 was never invoked."),
    ("The talks began at 5 p.m.", "The talks began at 6 p.m."),
    ("More than 100 tonnes of aid arrived.", "120 tonnes of aid arrived."),
    ("Air defences shot down 14 drones.", "Russia launched 20 drones."),
    ("The quake killed 12 in Nepal.", "The quake killed 40 in Turkey."),
    ("При пожаре погибли 27 человек.", "The fire killed 27 people."),
    ("Ранены пятеро полицейских.", "Five police officers were wounded."),
    ("Ранены не менее 15 человек.", "At least 15 people were injured."),
    ("Сбиты 14 беспилотников.", "Fourteen drones were shot down."),
    ("Дальность ракеты — 300 км.", "The missile has a range of 300 kilometers."),
    ("Контракт оценивают в 5,2 млн долларов.", "The contract is worth $5.2 million."),
    ("Инфляция достигла 8 %.", "Inflation reached 8 percent."),
    ("Договор подписали 24 марта 2021 года.", "The treaty was signed on March 24, 2021."),
    ("Музей открыли в 2014 году.", "The museum opened in 2014."),
    ("Задержаны трое подозреваемых.", "Three people were detained."),
    ("Погибли 5 человек.", "7 people were wounded."),
    ("Собрано 40 корзин грибов.", "They picked 55 baskets of mushrooms."),
    ("В Самаре погибли 3 человека.", "In Ryazan, 5 people were killed."),
    ("Более 200 домов остались без света.", "Over 200 houses lost power."),
    ("Переговоры длились шесть часов.", "The talks lasted six hours."),
    ("Погибли сотни людей.", "Some 350 people were killed."),
    ("Корабль доставил 1 000 тонн риса.", "The ship delivered 1,000 tons of rice."),
    ("Экипаж из 12 человек спасён.", "The crew of 12 was rescued."),
]
HARDER_DISAGREEING = [
    (
        "В результате схода поезда под Тулой погибли 14 человек, ещё 53 ранены, сообщили в МЧС.",
        "Минздрав сообщил о 14 погибших и 61 раненом при сходе поезда под Тулой.",
    ),
    (
        "Суд приговорил бывшего мэра к семи годам колонии за взятку в 3 млн рублей.",
        "Экс-мэр получил девять лет колонии за взятку в 3 млн рублей.",
    ),
    ("Сборная выиграла 11 золотых и 7 серебряных медалей.", "На счету сборной 11 золотых и 9 серебряных медалей."),
    (
        "Из-за снегопада в аэропорту отменили 45 рейсов и задержали 30.",
        "В аэропорту из-за снегопада отменены 62 рейса.",
    ),
    (
        "Президент подписал указ о награждении 19 ноября.",
        "Указ о награждении президент подписал 20 ноября, сообщила пресс-служба.",
    ),
    (
        "За девять месяцев экспорт пшеницы вырос на 14 %, до 31 млн тонн.",
        "За девять месяцев экспорт пшеницы вырос на 9 %.",
    ),
    ("Средняя зарплата в отрасли составляет 84 тысячи рублей.", "Средняя зарплата в отрасли — 67 тысяч рублей."),
    ("Рыболовное судно с 18 моряками на борту затонуло у Курил.", "У Курил затонуло судно, на борту были 21 моряк."),
    (
        "Пожар площадью 2,5 тыс. кв. метров тушили 120 спасателей.",
        "Пожар на площади 4000 квадратных метров тушили спасатели.",
    ),
    (
        "A ferry carrying 120 people sank off the coast on Monday, killing 9.",
        "The ferry, with 150 people aboard, sank off the coast; 9 were killed.",
    ),
    ("Rescuers pulled 6 survivors from the rubble.", "Rescuers pulled 11 survivors from the rubble, officials said."),
    ("The bank raised its key rate to 16%.", "The bank raised its key rate to 18%."),
    ("The mayor, 54, was elected in 2019.", "The mayor, 54, was first elected in 2015."),
    ("The court sentenced him to 12 years in prison.", "He was sentenced to 15 years in prison."),
    (
        "Паром, на котором было 120 человек, затонул, погибли девять.",
        "A ferry with 120 people on board sank, killing 14.",
    ),
    ("Суд приговорил его к 12 годам тюрьмы.", "He was sentenced to 15 years in prison."),
    ("Лесные пожары уничтожили 120 домов.", "Wildfires destroyed 75 homes."),
    ("Землетрясение магнитудой 6,4 произошло в Чили.", "A magnitude 6.9 earthquake struck Chile."),
    ("Самолёт с 62 пассажирами сел в Омске.", "The plane with 58 passengers landed in Omsk."),
    (
        "Оползень в горном районе унёс жизни 38 человек, ещё 12 числятся пропавшими без вести.",
        "Жертвами оползня в горном районе стали 45 человек, 12 пропали без вести.",
    ),
    ("Шахтёры добыли за год 41 млн тонн угля.", "Добыча угля за год составила 35 млн тонн."),
    ("Ставка налога вырастет до 15 %.", "Ставка налога вырастет до 18 %."),
    ("Депутаты приняли закон 12 декабря, за него проголосовали 301 депутат.", "За закон проголосовали 315 депутатов."),
    ("Депутаты приняли закон 12 декабря.", "Депутаты приняли закон во втором чтении 10 декабря."),
    ("Автобус упал в реку: 6 погибших, 20 раненых.", "При падении автобуса в реку погибли восемь человек."),
    ("Скорость ветра достигала 28 метров в секунду.", "Порывы ветра достигали 35 метров в секунду."),
    ("Город выделил 90 млн рублей на ремонт дорог.", "На ремонт дорог в городе выделено 120 млн рублей."),
    ("Писатель родился 3 августа 1934 года.", "Писатель родился 13 августа 1934 года."),
    ("The landslide killed 38 people and left 12 missing.", "The landslide death toll stands at 51."),
    ("The landslide killed 38 people and left 12 missing.", "38 dead, 20 missing after landslide."),
    ("Ticket prices start at $45.", "Tickets start at $60."),
    ("The airport cancelled 45 flights because of snow.", "Snow forced the airport to cancel 80 flights."),
    ("The volcano sent ash 8 km into the sky.", "The volcano sent ash 11 kilometres into the sky."),
    ("Sales grew by 12%.", "Sales grew by 7%."),
    ("The election will be held on May 4, 2025.", "The election will be held on May 11, 2025."),
    ("The 5-year-old boy was rescued after 30 hours.", "The boy, 5, was rescued after 48 hours."),
    ("Оползень унёс жизни 38 человек.", "The landslide killed 45 people."),
    ("Пропали без вести 12 человек.", "Twenty people are missing."),
    ("Ущерб составил 3 млн евро.", "The damage amounted to 5 million euros."),
    ("Закон подписали 4 мая 2025 года.", "The law was signed on May 9, 2025."),
]
HARDER_AGREEING = [
    (
        "Не менее 14 человек погибли и ещё 53 получили ранения в результате схода поезда с рельсов под Тулой.",
        "По уточнённым данным МЧС, при сходе поезда с рельсов под Тулой погибли 17 человек, 53 ранены.",
    ),
    (
        "Компания построит в регионе завод стоимостью 12 млрд рублей и создаст 800 рабочих мест.",
        "Инвестиции в завод составят 12 млрд рублей, срок окупаемости — 7 лет.",
    ),
    ("Суд приговорил бывшего мэра к семи годам колонии.", "Бывший мэр, которому 61 год, приговорён судом к колонии."),
    ("Сборная выиграла 11 золотых медалей.", "Сборная выиграла 7 серебряных медалей."),
    (
        "Из-за снегопада в аэропорту отменили 45 рейсов и задержали 30.",
        "В аэропорту из-за снегопада задержано 30 рейсов.",
    ),
    (
        "Первый спутник серии запустили в апреле 2019 года, второй — в мае 2021 года.",
        "Второй спутник серии запустили в мае 2021 года.",
    ),
    (
        "За девять месяцев экспорт пшеницы вырос на 14 %, до 31 млн тонн.",
        "Экспорт пшеницы за девять месяцев увеличился до 31 млн тонн.",
    ),
    ("За девять месяцев экспорт пшеницы вырос на 14 %.", "За полгода экспорт пшеницы вырос на 9 %."),
    ("Средняя зарплата в отрасли составляет 84 тысячи рублей.", "Средняя зарплата в отрасли — 84 300 рублей."),
    (
        "Пожар площадью 2,5 тыс. кв. метров тушили 120 спасателей.",
        "На площади 2500 квадратных метров горел склад, работали 120 спасателей.",
    ),
    ("Авиакомпания купит 30 самолётов «Байкал».", "Авиакомпания купит 30 самолётов «Байкал» за 12 млрд рублей."),
    ("Лайнер пролетел над Атлантикой 5 тысяч километров за шесть часов.", "Лайнер за шесть часов преодолел 5000 км."),
    ("Хоккеисты «Сокола» забросили 5 шайб.", "Хоккеисты «Сокола» пропустили 2 шайбы."),
    ("Цены на бензин выросли на 3 рубля.", "Цены на бензин выросли до 62 рублей."),
    ("В школе учатся 640 детей, из них 80 первоклассников.", "В школе 640 детей и 45 учителей."),
    ("Бюджет города на 2025 год составит 18 млрд рублей.", "Бюджет города на 2026 год составит 21 млрд рублей."),
    (
        "A ferry carrying 120 people sank off the coast on Monday, killing at least 9.",
        "At least 14 people died when a ferry with 120 on board sank off the coast.",
    ),
    ("The company will cut 1,500 jobs.", "The company hired 900 workers last year."),
    ("The bank raised its key rate to 16% from 15%.", "The bank raised its key rate by one percentage point to 16%."),
    (
        "Wildfires have burned 40,000 hectares and destroyed 120 homes.",
        "Wildfires have burned 40,000 hectares and damaged 75 homes.",
    ),
    ("Two of the five hostages were freed.", "Five hostages were taken, two have been freed."),
    ("The museum attracts 300,000 visitors a year.", "The museum had 25,000 visitors in August."),
    ("Oil rose to $84 a barrel.", "Oil fell to $79 a barrel."),
    ("The summit will take place on June 15 in Oslo.", "The Oslo summit will open on June 17."),
    ("Пожар уничтожил 40 тысяч гектаров леса.", "The fire destroyed about 40,000 hectares of forest."),
    ("Ракета достигла высоты 6000 километров.", "The missile reached an altitude of 6,000 km and flew for 1,000 km."),
    ("Землетрясение магнитудой 6,4 произошло 3 марта.", "A magnitude 6.4 earthquake struck on March 3."),
    ("Число заболевших выросло до 2,3 тыс. человек.", "The number of infected people rose to 2,340."),
    ("Завод выпускает 40 тысяч автомобилей в год.", "The plant makes 40,000 cars a year."),
    ("Переговоры в Стамбуле прошли 16 мая.", "The talks in Istanbul took place on May 16."),
    ("Оползень в горном районе унёс жизни 38 человек.", "Под оползнем погибли 38 человек, среди них 9 детей."),
    ("Следователи изъяли у банды 27 единиц оружия.", "Следователи изъяли у банды 14 кг взрывчатки."),
    ("Вулкан выбросил пепел на высоту 8 км.", "Пепел вулкана поднялся на восемь километров."),
    ("Шахтёры добыли за год 41 млн тонн угля.", "Добыча угля за год составила 41,3 млн тонн."),
    ("Фестиваль посетили 15 тысяч зрителей.", "На фестивале выступили 40 артистов."),
    ("Налог повысят с 13 до 15 процентов.", "Ставка налога вырастет до 15 %."),
    ("Новый мост длиной 1,4 км открыли в пятницу.", "Длина нового моста — 1400 метров."),
    ("Автобус упал в реку: 6 погибших, 20 раненых.", "При падении автобуса в реку ранены 20 человек, шестеро погибли."),
    ("Полиция изъяла 300 кг кокаина.", "Полиция изъяла полтонны кокаина."),
    ("Скорость ветра достигала 28 метров в секунду.", "Ветер повалил 28 деревьев."),
    ("Армия потеряла 40 танков.", "Армия получила 55 танков."),
    ("Фирма наняла 200 инженеров.", "Фирма уволила 150 инженеров."),
    ("Писатель родился 3 августа 1934 года.", "Писатель родился в 1934 году."),
    ("Переговоры начнутся 4 мая.", "Переговоры завершатся 6 мая."),
    ("The landslide killed at least 38 people and left 12 missing.", "The landslide killed 45 people."),
    ("The team scored 3 goals in the first half.", "The team conceded 2 goals in the first half."),
    ("The airport cancelled 45 flights.", "The airport delayed 80 flights."),
    ("Sales grew by 12% in the third quarter.", "Sales grew by 12 per cent in the three months to September."),
    ("He was born in 1934.", "He died in 2010."),
    ("Оползень унёс жизни 38 человек.", "The landslide killed nearly 40 people."),
    ("Аэропорт отменил 45 рейсов.", "The airport cancelled 45 flights."),
    ("Пропали без вести 12 человек.", "Twenty people were rescued."),
    ("Задержаны 37 участников акции.", "Police detained 37 protesters."),
    ("Ущерб составил 3 млн евро.", "The damage amounted to $3.3 million."),
    ("Выборы пройдут 4 мая 2025 года.", "The election will be held on May 4."),
]
MISSED = [
    ("В аварии автобуса ранены 12 человек.", "В аварии автобуса пострадали 15 человек, сообщили медики."),
    (
        "Губернатор области рассказал, что без света остались 23 тысячи потребителей в шести районах.",
        "Энергетики сообщили, что обесточены около 40 тысяч потребителей в шести районах области.",
    ),
    (
        "Компания построит в регионе завод стоимостью 12 млрд рублей и создаст 800 рабочих мест.",
        "Завод обойдётся компании в 15 млрд рублей, работу получат 800 человек.",
    ),
    ("Ливень длился три часа, выпало 60 мм осадков.", "За три часа ливня выпало 85 мм осадков."),
    ("Митинг собрал, по данным полиции, 3 тысячи человек.", "Организаторы заявили о 10 тысячах участников митинга."),
    ("Музей закрыли на ремонт 1 марта, он продлится до 15 июня.", "Ремонт в музее продлится до 1 июля."),
    ("The company will cut 1,500 jobs by the end of the year.", "The company plans to cut 900 jobs this year."),
    ("Wildfires have burned 40,000 hectares.", "The wildfires scorched 65,000 hectares, authorities said."),
    ("В больницы после отравления обратились 112 школьников.", "После отравления в больницы доставили 140 школьников."),
    ("Вулкан выбросил пепел на высоту 8 км.", "Вулкан выбросил столб пепла на 11 километров."),
    ("Фестиваль посетили 15 тысяч зрителей.", "На фестиваль пришли 22 тысячи зрителей."),
    ("Самолёт вылетел с 4 пилотами и 9 бортпроводниками.", "На борту самолёта было 7 бортпроводников."),
]


def read(text: str) -> list[tuple[str, str, str]]:
    return [(figure.kind, figure.value, figure.unit) for figure in figures(text)]


def spans(text: str) -> list[str]:
    return [text[figure.start : figure.end] for figure in figures(text)]


@pytest.mark.parametrize(("one", "other"), DISAGREEING + HARDER_DISAGREEING)
def test_texts_that_disagree(one: str, other: str) -> None:
    found = disagreement(one, other)
    assert found is not None
    assert found[0] in figures(one)
    assert found[1] in figures(other)
    assert disagreement(other, one) is not None


@pytest.mark.parametrize(("one", "other"), AGREEING + HARDER_AGREEING)
def test_texts_that_may_both_be_true(one: str, other: str) -> None:
    assert disagreement(one, other) is None
    assert disagreement(other, one) is None


@pytest.mark.parametrize(("one", "other"), MISSED)
def test_disagreements_that_are_not_found(one: str, other: str) -> None:
    """Not wanted, but known; one that is found some day goes to the others."""
    assert disagreement(one, other) is None


def test_pair_that_is_returned() -> None:
    one = "Погибли 12 человек, среди них 3 ребёнка."
    other = "Погибли 12 человек, в том числе 4 ребёнка."
    assert disagreement(one, other) == (
        Figure("3", "child", "number", 30, 39, 3.0, 3.0, "killed"),
        Figure("4", "child", "number", 32, 41, 4.0, 4.0, "killed"),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("27 человек", ("number", "27", "people")),
        ("1 000 домов", ("number", "1000", "house")),
        ("1\u00a0000 домов", ("number", "1000", "house")),
        ("1\u202f234\u202f567 домов", ("number", "1234567", "house")),
        ("The storm hit 1,000 houses", ("number", "1000", "house")),
        ("It cost 1,234,567.5 euros", ("money", "1234567.5", "euro")),
        ("5,2 млн тонн", ("number", "5200000", "tonne")),
        ("5.2 million tons", ("number", "5200000", "tonne")),
        ("1,2 тыс. человек", ("number", "1200", "people")),
        ("5 млн 200 тыс. рублей", ("money", "5200000", "rouble")),
        ("двадцать пять человек", ("number", "25", "people")),
        ("twenty-five people", ("number", "25", "people")),
        ("two hundred and five thousand people", ("number", "205000", "people")),
        ("сто двадцать три тысячи двести рублей", ("money", "123200", "rouble")),
        ("полтора миллиона долларов", ("money", "1500000", "dollar")),
        ("два с половиной километра", ("number", "2.5", "km")),
        ("двое детей", ("number", "2", "child")),
        ("two dozen drones", ("number", "24", "drone")),
        ("US$5m", ("money", "5000000", "dollar")),
        ("€3.2 billion", ("money", "3200000000", "euro")),
        ("5 %", ("percent", "5", "percent")),
        ("5 per cent of them", ("percent", "5", "percent")),
        ("3,5 процентных пункта", ("number", "3.5", "percent point")),
        ("20–30 тонн", ("number", "20/30", "tonne")),
        ("от 5 до 6 млн рублей", ("money", "5000000/6000000", "rouble")),
        ("between 20 and 30 people", ("number", "20/30", "people")),
        ("27 мирных жителей", ("number", "27", "civilian resident")),
        ("5 российских беспилотников", ("number", "5", "russia drone")),
        ("5 Russian drones", ("number", "5", "russia drone")),
        ("10 км/ч", ("number", "10", "km/hour")),
        ("$71 a barrel", ("money", "71", "dollar/barrel")),
        ("35-летний мужчина", ("number", "35", "age")),
        ("a 35-year-old man", ("number", "35", "age")),
        ("два вертолёта", ("number", "2", "helicopter")),
        ("магнитудой 7,5", ("number", "7.5", "magnitude")),
        ("19-й пакет санкций", ("ordinal", "19", "пакет")),
        ("второй этап", ("ordinal", "2", "этап")),
        ("the 5th floor of it", ("ordinal", "5", "")),
        ("24 октября", ("date", "--10-24", "")),
        ("24 октября 2025 года", ("date", "2025-10-24", "")),
        ("October 24", ("date", "--10-24", "")),
        ("Oct. 24, 2025", ("date", "2025-10-24", "")),
        ("the 24th of October 2025", ("date", "2025-10-24", "")),
        ("24.10.2025", ("date", "2025-10-24", "")),
        ("2025-10-24", ("date", "2025-10-24", "")),
        ("в октябре", ("date", "--10", "")),
        ("в октябре 2025 года", ("date", "2025-10", "")),
        ("in May", ("date", "--05", "")),
        ("в 2014 году", ("date", "2014", "")),
        ("с 2013-го", ("date", "2013", "since")),
        ("in 2014.", ("date", "2014", "")),
        ("в 1990-е", ("date", "1990/1999", "")),
        ("в 2014–2016 годах", ("date", "2014/2016", "")),
        ("с 5 по 7 июня", ("date", "--06-05/--06-07", "")),
        ("до 5 мая", ("date", "--05-05", "until")),
    ],
)
def test_one_figure(text: str, expected: tuple[str, str, str]) -> None:
    assert read(text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "Ил-76, Су-57, S-400, G7, COVID-19, А4",
        "Boeing 737 сел. Самолёт Boeing 737 упал. A Boeing 737 crashed.",
        "Статья 5, пункт 4, рейс 417, № 12, Article 5, flight 93, room 101",
        "8-800-200-10-20, +7 (495) 123-45-67",
        "В 10:30, в 15 часов, в 5 часов утра, в 6 утра, at 5 p.m.",
        "Счёт 3:1, дробь 1/2",
        "Десятки людей, сотни домов, тысячи тонн, dozens of people, thousands of homes",
        "Один из них, one of them",
        "Во-первых, в-третьих",
        "Отметка 99.99.2025",
        "12345678901234567890",
        "",
    ],
)
def test_what_is_no_figure(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("27 человек", 27, 27),
        ("около 100 человек", 90, 110),
        ("почти 100 человек", 90, 105),
        ("более 100 человек", 95, float("inf")),
        ("at least 12 people", 12, float("inf")),
        ("12 or more people", 12, float("inf")),
        ("12+ people", 12, float("inf")),
        ("до 12 человек", 0, 12),
        ("Число раненых выросло до 12 человек", 12, 12),
        ("20–30 человек", 20, 30),
        ("1.000 человек", 1, 1000),
    ],
)
def test_what_the_words_leave_open(text: str, low: float, high: float) -> None:
    [figure] = figures(text)
    assert (figure.low, figure.high) == (pytest.approx(low, rel=1e-3), pytest.approx(high, rel=1e-3))


def test_spans_hold_what_was_read() -> None:
    text = "Не менее 62 человек погибли 24 октября 2025 года, ущерб — около $5 млн."
    assert spans(text) == ["Не менее 62 человек", "24 октября 2025 года", "около $5 млн"]


def test_role_of_the_counted() -> None:
    roles = {
        figure.value: (figure.unit, figure.role) for figure in figures("Погибли двое, 7 ранены, 9 домов разрушены.")
    }
    assert roles == {"2": ("people", "killed"), "7": ("people", "wounded"), "9": ("house", "destroyed")}


NEWS = st.lists(
    st.sampled_from(
        """
        Погибли ранены сбиты killed wounded 5 7 27 100 1,000 5,2 двое двадцать five million млн тыс. человек people
        ракет около более до at least from to от и and , . ( ) - – $ % 24 октября мая October 2014 2025 году в на in
        Киеве Kyiv Boeing Ил-76 час p.m. рублей « » сообщил said 05.06.2025 10:30 or more
        """.split()
    ),
    max_size=25,
).flatmap(lambda parts: st.sampled_from(["", " ", "\u00a0"]).map(lambda space: space.join(parts)))


@settings(deadline=None, max_examples=300)
@given(text=st.text() | NEWS)
def test_figures_are_in_order_and_inside_the_text(text: str) -> None:
    end = 0
    for figure in figures(text):
        assert end <= figure.start < figure.end <= len(text)
        assert text[figure.start : figure.end].strip()
        assert figure.low <= figure.high
        assert figure.value
        end = figure.end


@settings(deadline=None, max_examples=300)
@given(text=st.text() | NEWS)
def test_no_text_disagrees_with_itself(text: str) -> None:
    assert disagreement(text, text) is None


@settings(deadline=None, max_examples=300)
@given(one=NEWS, other=NEWS)
def test_both_orders_say_the_same(one: str, other: str) -> None:
    there, back = disagreement(one, other), disagreement(other, one)
    assert (there is None) == (back is None)
    assert there is None or there[0].kind == there[1].kind
    assert there is None or there[0].unit == there[1].unit


@pytest.mark.parametrize(
    "text",
    ["1 " * 5_000, "1" * 200_000, "1-" * 50_000, "а1" * 50_000, "5 мая " * 5_000, "более " * 20_000, "сто " * 5_000],
)
def test_hostile_text_is_no_burden(text: str) -> None:
    """With quadratic time this would take minutes."""
    assert disagreement(text, "Погибли 5 человек.") is None
